/** How often what happened: every fault and every recovery path, over one run or many. */
export type Counts = Readonly<Record<string, number>>;

export class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  addAll(counts: Counts): void {
    for (const [name, by] of Object.entries(counts)) this.add(name, by);
  }

  toCounts(): Counts {
    return Object.fromEntries([...this.#counts].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  }
}
