/**
 * Errors of D1 that no retry will mend: the statement is wrong, or the data is. Everything else (overloaded, connection lost, reset
 * because its code was updated) passes, and may come after the commit.
 */
const PERMANENT = /SQLITE_(ERROR|CONSTRAINT|MISMATCH|TOOBIG|AUTH|RANGE)|D1_TYPE_ERROR|D1_COLUMN_NOTFOUND/;

/** What a table refuses: a constraint fails, a value has the wrong type, or it is too big. */
const REFUSED = /SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/;

/** Whether trying again may help. */
export function isTransient(error: unknown): boolean {
  return !PERMANENT.test(String(error));
}

/** Whether the data was refused, as against the statement being wrong or the database being out of reach. */
export function isRefused(error: unknown): boolean {
  return REFUSED.test(String(error));
}
