/**
 * Whether a client asks by `Accept` (RFC 9110, section 12.5.1) for a media type by its name, and wants it no less than the one that it
 * gets otherwise.
 */
export function asksFor(accept: string | undefined, type: string, otherwise: string): boolean {
  const qualities = new Map(
    (accept ?? '').split(',').map((part) => {
      const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice('q='.length);
      return [range, quality === undefined ? 1 : Number(quality)] as const;
    }),
  );
  // The most specific range counts.
  const qualityOf = (name: string) =>
    qualities.get(name) ?? qualities.get(`${name.split('/')[0]}/*`) ?? qualities.get('*/*') ?? 0;
  const quality = qualities.get(type) ?? 0;
  return quality > 0 && quality >= qualityOf(otherwise);
}
