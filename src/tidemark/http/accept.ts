/**
 * Whether `Accept` (RFC 9110, section 12.5.1) asks for the media type `type` rather than for the default one, `otherwise`: with a higher quality,
 * or with the same quality and a range that is at least as precise. A range for every type asks for neither. Returns false without the header.
 *
 *     asksFor('text/csv', 'text/csv', 'application/json'); // true
 *     asksFor('text/csv;q=0.5, application/json', 'text/csv', 'application/json'); // false
 */
export function asksFor(accept: string | undefined, type: string, otherwise: string): boolean {
  const qualities = new Map(
    (accept ?? '').split(',').map((part) => {
      const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice('q='.length);
      return [range, quality === undefined ? 1 : Number(quality)] as const;
    }),
  );

  /** The quality by the most specific range that includes the type. A higher precision includes fewer types. */
  function wishFor(name: string): { readonly quality: number; readonly precision: number } {
    const ranges = ['*/*', `${name.split('/')[0]}/*`, name];
    const precision = ranges.findLastIndex((range) => qualities.has(range));
    return { quality: qualities.get(ranges[precision] ?? '') ?? 0, precision };
  }

  const wish = wishFor(type);
  const other = wishFor(otherwise);
  if (!(wish.quality > 0)) return false;
  return wish.quality === other.quality
    ? wish.precision > 0 && wish.precision >= other.precision
    : wish.quality > other.quality;
}
