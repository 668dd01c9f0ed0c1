import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';

import { StorageUnavailableError } from '../../../src/tidemark/platform/faults.ts';
import { type Change, changePointer } from '../../../src/tidemark/projections/guarded-change.ts';
import { readPointer } from '../../../src/tidemark/projections/pointer.ts';
import { faultyDatabase } from '../../support/database.ts';

const database = env.SERVING_DB;
const NAME = 'guarded-change-test';
const LOST = 'D1_ERROR: Network connection lost.';
const RELEASED: Change = { live: { revision: 1, slot: 'a' }, others: [] };

const epoch = async () => (await readPointer(database, NAME))?.epoch;

/** A change by a Worker that writes no change ids. */
async function changeAsBefore(): Promise<void> {
  await database.prepare(`UPDATE projection_pointer SET epoch = epoch + 1 WHERE projection = ?`).bind(NAME).run();
}

/** A change by another Worker, under the present pointer. */
async function changeElsewhere(): Promise<void> {
  expect(await changePointer(database, NAME, { epoch: (await epoch()) ?? 0 }, RELEASED)).toBe('changed');
}

beforeEach(async () => {
  await database.batch([
    database.prepare(`DELETE FROM projection_pointer WHERE projection = ?`).bind(NAME),
    database
      .prepare(`INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?, 7, 1, 'a')`)
      .bind(NAME),
  ]);
});

describe('a change of a pointer whose answer is lost', () => {
  const answerLost = (meanwhile?: () => Promise<void>) =>
    faultyDatabase(database, {
      async afterBatch() {
        await meanwhile?.();
        throw new Error(LOST);
      },
    }).database;

  it('is known to be made', async () => {
    expect(await changePointer(answerLost(), NAME, { epoch: 7 }, RELEASED)).toBe('changed');
    expect(await epoch()).toBe(8);
  });

  it('is known to be made, even if a Worker without change ids has changed the pointer since', async () => {
    expect(await changePointer(answerLost(changeAsBefore), NAME, { epoch: 7 }, RELEASED)).toBe('changed');
    expect(await epoch()).toBe(9);
  });

  it('is unknown after another change has written its id', async () => {
    await expect(changePointer(answerLost(changeElsewhere), NAME, { epoch: 7 }, RELEASED)).rejects.toThrow(LOST);
  });
});

describe('a change of a pointer that never reached the database', () => {
  const requestLost = (meanwhile?: () => Promise<void>) =>
    faultyDatabase(database, {
      async beforeBatch() {
        await meanwhile?.();
        throw new Error(LOST);
      },
    }).database;

  it('is not mistaken for an equal change of another Worker', async () => {
    expect(await changePointer(requestLost(changeElsewhere), NAME, { epoch: 7 }, RELEASED)).toBe('epoch-changed');
  });

  it.each([
    ['had no id yet', async () => undefined],
    ['has the id of an earlier change', changeElsewhere],
  ])('is not mistaken for a change of a Worker without change ids, if the pointer %s', async (_, before) => {
    await before();
    const at = { epoch: (await epoch()) ?? 0 };
    expect(await changePointer(requestLost(changeAsBefore), NAME, at, RELEASED)).toBe('epoch-changed');
  });

  it('is unknown while the epoch is unchanged: it may still arrive', async () => {
    await expect(changePointer(requestLost(), NAME, { epoch: 7 }, RELEASED)).rejects.toThrow(LOST);
  });

  it('is unknown if the pointer cannot be read either', async () => {
    const away = faultyDatabase(database, {
      beforeBatch() {
        throw new Error(LOST);
      },
      beforeQuery() {
        throw new Error(LOST);
      },
    });
    await expect(changePointer(away.database, NAME, { epoch: 7 }, RELEASED)).rejects.toThrow(LOST);
  });
});

describe('a change of a pointer while the storage is unavailable', () => {
  const FULL = 'D1_ERROR: database or disk is full: SQLITE_FULL';

  it('is known not to be made if the database refuses it', async () => {
    const full = faultyDatabase(database, {
      beforeBatch() {
        throw new Error(FULL);
      },
    });
    await expect(changePointer(full.database, NAME, { epoch: 7 }, RELEASED)).rejects.toThrow(StorageUnavailableError);
    expect(full.calls.queries).toBe(0);
    expect(await epoch()).toBe(7);
  });

  it('is unknown if its answer is lost and the pointer can no longer be read', async () => {
    const switchedOff = faultyDatabase(database, {
      afterBatch() {
        throw new Error(LOST);
      },
      beforeQuery() {
        throw new Error("D1_ERROR: Exceeded the account's spending cap for D1.");
      },
    });
    await expect(changePointer(switchedOff.database, NAME, { epoch: 7 }, RELEASED)).rejects.toThrow(LOST);
    expect(await epoch()).toBe(8);
  });
});

it('of two changes under one pointer, the second changes nothing', async () => {
  await changeElsewhere();
  expect(await changePointer(database, NAME, { epoch: 7 }, RELEASED)).toBe('epoch-changed');
  expect(await epoch()).toBe(8);
});
