import { expect, it } from 'vitest';

import { StorageUnavailableError } from '../../../src/tidemark/platform/faults.ts';
import {
  type D1ErrorKind,
  asStorageFault,
  isTransient,
  kindOf,
  kindOfD1Error,
} from '../../../src/tidemark/projections/d1-errors.ts';
import { TimeoutError } from '../../../src/tidemark/platform/timeout.ts';

const said = (words: string) => new Error(`D1_ERROR: ${words}`);

it.each<[D1ErrorKind, unknown]>([
  ['transient', said('D1 DB is overloaded. Requests queued for too long.')],
  ['transient', said('D1 DB is overloaded. Too many requests queued.')],
  ['transient', said('D1 DB reset because its code was updated.')],
  ['transient', said('Network connection lost.')],
  ['transient', said('Internal error while starting up D1 DB storage caused object to be reset.')],
  ['transient', said('D1 DB storage operation exceeded timeout which caused object to be reset.')],
  ['transient', said('internal error; reference = 0a1b2c3d')],
  ['transient', said('database is locked: SQLITE_BUSY')],
  ['transient', said('database table is locked: SQLITE_LOCKED')],
  ['transient', said('disk I/O error: SQLITE_IOERR')],
  ['transient', new TimeoutError('no answer within 10 ms')],
  ['storage', said('database or disk is full: SQLITE_FULL')],
  ['storage', said('Exceeded maximum DB size')],
  ['storage', said("Exceeded the account's spending cap for D1.")],
  ['storage', new StorageUnavailableError('full')],
  ['data', said('CHECK constraint failed: sum <= 1000000: SQLITE_CONSTRAINT')],
  ['data', said('datatype mismatch: SQLITE_MISMATCH')],
  ['data', said('string or blob too big: SQLITE_TOOBIG')],
  ['data', new Error("D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'")],
  ['schema', said('no such table: seats: SQLITE_ERROR')],
  ['schema', said('no such column: guest: SQLITE_ERROR')],
  ['schema', said('table seats has no column named guest: SQLITE_ERROR')],
  ['schema', said('no such module: fts6: SQLITE_ERROR')],
  ['other', said('malformed JSON: SQLITE_ERROR')],
  ['other', said('database disk image is malformed: SQLITE_CORRUPT_VTAB')],
  ['other', said('database disk image is malformed: SQLITE_CORRUPT')],
  ['other', new TypeError('value.toISOString is not a function')],
])('finds the kind %s for %s', (kind, error) => {
  expect(kindOfD1Error(error)).toBe(kind);
  expect(isTransient(error)).toBe(kind === 'transient');
  expect(asStorageFault(error) instanceof StorageUnavailableError).toBe(kind === 'storage');
});

it.each([
  ['no such table: seats: SQLITE_ERROR', 'no such table: seats: SQLITE_ERROR'],
  ['internal error; reference = 0a1b2c3d', 'internal error'],
  [`bad JSON path: 'Ada Lovelace': SQLITE_ERROR`, 'bad JSON path: …: SQLITE_ERROR'],
  [`JSON path error near 'Miles O'Brien': SQLITE_ERROR`, 'JSON path error near …: SQLITE_ERROR'],
  ['fts5: syntax error near "Ada "the first" Lovelace": SQLITE_ERROR', 'fts5: syntax error near …: SQLITE_ERROR'],
  [`unterminated string: 'Ada\nLovelace`, 'unterminated string: …'],
])('the kind of a reason leaves out quoted text: %s', (words, kind) => {
  expect(kindOf(String(said(words)))).toBe(kind);
});

it('the kind of a reason is short', () => {
  expect(kindOf(String(said('no such table: '.padEnd(5_000, 'x'))))).toHaveLength(200);
});
