/**
 * Whether a client asks by `Accept` (RFC 9110, section 12.5.1) for a media type rather than for the one that it gets otherwise: wants it more, or
 * as much and in words that are as precise. Who takes anything has asked for neither.
 */
export function asksFor(accept: string | undefined, type: string, otherwise: string): boolean {
  const qualities = new Map(
    (accept ?? '').split(',').map((part) => {
      const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice('q='.length);
      return [range, quality === undefined ? 1 : Number(quality)] as const;
    }),
  );

  /** What the most specific range that has the type says of it: the higher the precision, the fewer types it has. */
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
