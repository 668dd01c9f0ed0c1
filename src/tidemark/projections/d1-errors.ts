import { DatabaseUnavailableError, StorageUnavailableError } from '../platform/faults.ts';
import { keptKind } from '../dead-letters/dead-letter.ts';

/**
 * What an error of D1 says about what was sent. D1 puts SQLite's own words into its messages, with SQLite's name for the kind of error at
 * the end: "D1_ERROR: no such table: seats: SQLITE_ERROR". What D1 says of itself has no such name: "D1_ERROR: Network connection lost."
 * https://developers.cloudflare.com/d1/observability/debug-d1/
 */
export type D1ErrorKind =
  /** It passes, and may have come after the commit: overloaded, connection lost, reset, busy. */
  | 'transient'
  /** The database is full, or the account's limits have switched it off: it lasts until somebody makes room. */
  | 'storage'
  /** The tables are not as the code has them: every stream meets it. */
  | 'schema'
  /** The tables refuse the data: a constraint fails, a value has the wrong type or is too big. */
  | 'data'
  /** Any other mistake in a statement, a trigger or an index. It may be about one stream or about all. */
  | 'other';

interface Row {
  readonly kind: D1ErrorKind;
  readonly says: RegExp;
}

/** The first row that matches counts. */
const KINDS: readonly Row[] = [
  {
    kind: 'storage',
    says: /SQLITE_FULL|exceeded maximum (DB|database) size|spending (cap|limit)|exceeded D1'?s? .*limit/i,
  },
  { kind: 'transient', says: /SQLITE_(BUSY|LOCKED|INTERRUPT|IOERR|PROTOCOL|CANTOPEN|READONLY|NOMEM|SCHEMA)/ },
  { kind: 'data', says: /SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)|D1_TYPE_ERROR/ },
  {
    kind: 'schema',
    says: /no such (table|column|module|function)|has no column named|has \d+ columns but|malformed database schema|D1_COLUMN_NOTFOUND/,
  },
  { kind: 'other', says: /SQLITE_[A-Z]+/ },
];

/**
 * What D1 says where it does not say what went wrong: "D1_ERROR: internal error; reference = 0a1b". It passes, as a rule. It is also the
 * answer where the structure of an index is damaged, and then it lasts.
 */
export const INTERNAL_ERROR = 'internal error';

export function isInternalError(error: unknown): boolean {
  return String(error).includes(`${INTERNAL_ERROR}; reference`);
}

/** Errors of the code itself: they would only happen again. */
const MISTAKES = [TypeError, RangeError, ReferenceError, SyntaxError];

/** The kind of an error that a database (or the code around the call) threw. */
export function kindOfD1Error(error: unknown): D1ErrorKind {
  if (error instanceof StorageUnavailableError) return 'storage';
  const text = String(error);
  const row = KINDS.find(({ says }) => says.test(text));
  if (row) return row.kind;
  return MISTAKES.some((mistake) => error instanceof mistake) ? 'other' : 'transient';
}

/**
 * What errors for one reason have in common: D1's own words, cut to 200 characters. SQLite may quote values that it has read. So whatever
 * is between quotation marks is left out, from the first to the last, since a value may hold such marks itself.
 */
export function kindOf(reason: string): string {
  const words = reason.replace(/^(Error: )?(D1_ERROR: )?/, '');
  return keptKind(words.replace(/; reference = .*/s, '').replace(/["'`].*["'`]|["'`].*/s, '…'));
}

/** Whether trying again soon may help. The database gave no answer that tells: it may have committed all the same. */
export function isTransient(error: unknown): boolean {
  return kindOfD1Error(error) === 'transient';
}

/** The error; a `DatabaseUnavailableError` where the database refused for want of storage. Then it has answered, and did nothing. */
export function asStorageFault(error: unknown): unknown {
  if (error instanceof StorageUnavailableError || kindOfD1Error(error) !== 'storage') return error;
  return new DatabaseUnavailableError(String(error), { cause: error });
}
