/** Where the code that must be testable asks for the time, for chance and for new ids: never from the platform directly. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** A new UUIDv7 (RFC 9562), so that ids made later sort later. */
  readonly newId: () => string;
}
