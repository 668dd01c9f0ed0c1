/** The source of the time, of random numbers and of new ids. Testable code uses it and never the platform's own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** A new UUIDv7 (RFC 9562), so that ids made later sort later. */
  readonly newId: () => string;
  /** So many bytes that nobody can guess, for a secret. */
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
}

/** The current time as ISO 8601 text in UTC, in ms: what event logs and databases store. */
export function timestamp({ now }: Pick<Clock, 'now'>): string {
  return new Date(now()).toISOString();
}
