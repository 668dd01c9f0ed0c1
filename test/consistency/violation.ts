import { type Operation, tokensOf } from './history.ts';

/** The checks of a history, and the invariants (docs/consistency.md) that each one covers. */
export const CHECKS = {
  /** I13: a read with a token shows at least what that token's past has written. */
  'read-your-writes': 'I13',
  /** I14: no client sees an older state than before. */
  'monotonic-reads': 'I14',
  /** I15: a session's writes to a stream are ordered as it made them. */
  'monotonic-writes': 'I15',
  /** I15: a command is ordered after what its token has seen, and is decided upon nothing older. */
  'writes-follow-reads': 'I15',
  /** I2: every acknowledged event is in the log, at the returned version. */
  'lost-write': 'I2',
  /** I1: every event that is shown or logged was written by a command. */
  phantom: 'I1',
  /** I3, I4: one key, one append, one outcome. */
  'one-outcome': 'I3, I4',
  /** I4, I5: who was refused has appended nothing. */
  'refused-yet-applied': 'I4',
  /** I6: the events of one command are appended together. */
  'torn-write': 'I6',
  /** I1: versions are 1 to n, each event has an id of its own, times never go back. */
  'log-order': 'I1',
  /** I1, I2: a stream is one object, so a command is ordered after all that was acknowledged before it was sent. */
  'write-order': 'I1, I2',
  /** I5: an expected version that does not match appends nothing. */
  'expected-version': 'I5',
  /** A read that asks for a version shows that one or a later one. */
  'asked-version': 'I13',
  /** I1, I16: one version of a stream has one content everywhere. */
  'one-content': 'I1, I16',
  /** A list or search shows what matches, each once. */
  'wrong-row': 'I11',
  /** I10, I11: a reader of the feed gets each event once, and each stream's in order. */
  'feed-order': 'I10, I11',
  /** I18: a reader at the end of the feed, at rest, has missed no event. */
  'feed-complete': 'I18',
  /** I10, I13: a sum is possible for versions between those of the token and those that were written. */
  'impossible-sum': 'I10, I13',
  /** I21: a client of a history that was set back is refused, and does not pass for one of the present history. */
  'lost-history': 'I21',
} as const;

export type Check = keyof typeof CHECKS;

export interface Violation {
  readonly check: Check;
  /** The operations that one has to look at to see it, the offender first. Empty: the log itself is at fault. */
  readonly operations: readonly number[];
  readonly stream: string | null;
  /** In plain words: who saw what, when, by which token, and why that cannot be. */
  readonly why: string;
}

export type Report = (check: Check, operations: readonly Operation[], stream: string | null, why: string) => void;

/** An operation in a sentence: "client c3 in operation 17". */
export function who({ client, id }: Operation): string {
  return `client ${client} in operation ${id}`;
}

/** The tokens that an operation carried, in a sentence: "with the token of operation 3". */
export function withTokens(operation: Operation): string {
  const from = tokensOf(operation);
  if (from.length === 0) return 'without a token';
  return from.length === 1
    ? `with the token of operation ${from[0]}`
    : `with the tokens of operations ${from.join(' and ')}`;
}

export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** As lines for a person: the check and its invariant, then the sentence. */
export function explain(violations: readonly Violation[]): string {
  return violations.map(({ check, why }) => `${check} (${CHECKS[check]}): ${why}`).join('\n');
}
