/** What SQLite says when somebody else is at it, or the disk: it passes. Any other code of its own no retry will mend. */
const PASSING = /SQLITE_(BUSY|LOCKED|INTERRUPT|IOERR|PROTOCOL|FULL)/;
const PERMANENT = /SQLITE_[A-Z]+|D1_TYPE_ERROR|D1_COLUMN_NOTFOUND/;

/** What a table refuses: a constraint fails, a value has the wrong type, or it is too big. */
const REFUSED = /SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/;

/** Errors of the code itself, which would only happen again. */
const MISTAKES = [TypeError, RangeError, ReferenceError, SyntaxError];

/**
 * Whether trying again may help. What D1 says of itself (overloaded, connection lost, reset because its code was updated) passes, and may
 * come after the commit; a statement or data that is wrong, or a mistake of the code, stays.
 */
export function isTransient(error: unknown): boolean {
  const text = String(error);
  if (MISTAKES.some((mistake) => error instanceof mistake)) return false;
  return PASSING.test(text) || !PERMANENT.test(text);
}

/** Whether the data was refused, as against the statement being wrong or the database being out of reach. */
export function isRefused(error: unknown): boolean {
  return REFUSED.test(String(error));
}
