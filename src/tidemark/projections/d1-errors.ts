import { DatabaseUnavailableError, StorageUnavailableError } from '../platform/faults.ts';
import { keptKind } from '../dead-letters/dead-letter.ts';

/**
 * What an error of D1 tells about the statements that were sent. D1's messages quote SQLite and end with SQLite's name for the kind of error:
 * "D1_ERROR: no such table: seats: SQLITE_ERROR". An error of D1 itself has no such name: "D1_ERROR: Network connection lost."
 * https://developers.cloudflare.com/d1/observability/debug-d1/
 */
export type D1ErrorKind =
  /** It passes, and may have come after the commit: overloaded, connection lost, reset, busy. */
  | 'transient'
  /** The database is full, or the account's limits have switched it off. It lasts until an operator frees space or raises the limit. */
  | 'storage'
  /** The tables do not match the code, so every stream gets the error. */
  | 'schema'
  /** The tables refuse the data: a constraint fails, or a value has the wrong type or is too big. */
  | 'data'
  /** Any other error of a statement, a trigger or an index. It may concern one stream or all. */
  | 'other';

interface Row {
  readonly kind: D1ErrorKind;
  readonly says: RegExp;
}

/** The first matching row applies. */
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
 * D1's message when it does not say what went wrong: "D1_ERROR: internal error; reference = 0a1b". Such an error usually passes. It lasts if the
 * structure of an index is damaged.
 */
export const INTERNAL_ERROR = 'internal error';

export function isInternalError(error: unknown): boolean {
  return String(error).includes(`${INTERNAL_ERROR}; reference`);
}

/** Errors of the code itself. They would happen again. */
const MISTAKES = [TypeError, RangeError, ReferenceError, SyntaxError];

/** The kind of an error from a database, or from the code around the call. */
export function kindOfD1Error(error: unknown): D1ErrorKind {
  if (error instanceof StorageUnavailableError) return 'storage';
  const text = String(error);
  const row = KINDS.find(({ says }) => says.test(text));
  if (row) return row.kind;
  return MISTAKES.some((mistake) => error instanceof mistake) ? 'other' : 'transient';
}

/**
 * The part that errors with one reason have in common: D1's own words, cut to 200 characters. SQLite may quote values that it has read. So everything
 * from the first quotation mark to the last is left out, since a value may contain such marks too.
 */
export function kindOf(reason: string): string {
  const words = reason.replace(/^(Error: )?(D1_ERROR: )?/, '');
  return keptKind(words.replace(/; reference = .*/s, '').replace(/["'`].*["'`]|["'`].*/s, '…'));
}

/** Whether a retry soon may help. The database gave no clear answer: it may have committed. */
export function isTransient(error: unknown): boolean {
  return kindOfD1Error(error) === 'transient';
}

/** Returns the error, or a `DatabaseUnavailableError` if the database refused for lack of storage. In that case it answered and did nothing. */
export function asStorageFault(error: unknown): unknown {
  if (error instanceof StorageUnavailableError || kindOfD1Error(error) !== 'storage') return error;
  return new DatabaseUnavailableError(String(error), { cause: error });
}
