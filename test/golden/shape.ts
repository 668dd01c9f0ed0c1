/** What each place of some values holds: for example `{ 'price.amount': ['number'], region: ['null', 'string'] }`. */
export type Shape = Readonly<Record<string, readonly string[]>>;

/** The shape that values have between them. A place that some of them lack is `absent` there. */
export function shapeOf(values: readonly object[]): Shape {
  const kinds = new Map<string, Set<string>>();
  for (const value of values) note(kinds, '', value);
  const all = values.map((value) => {
    const own = new Map<string, Set<string>>();
    note(own, '', value);
    return own;
  });
  for (const [place, held] of kinds) if (all.some((own) => !own.has(place))) held.add('absent');
  return Object.fromEntries([...kinds].map(([place, held]) => [place, [...held].toSorted()]));
}

function note(kinds: Map<string, Set<string>>, place: string, value: unknown): void {
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  kinds.set(place, (kinds.get(place) ?? new Set()).add(kind));
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value))
    note(kinds, `${place}${Array.isArray(value) ? '[]' : `.${name}`}`, member);
}
