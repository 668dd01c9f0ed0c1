import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { ports } from '../../support/platform.ts';
import { objectOf, system } from '../../support/system.ts';

/** Everything that a request can leave behind: writes to tables of the databases, and what objects store. */
export interface Changes {
  /** The writes so far. Two results are equal exactly if nothing has changed in between. */
  soFar(): Promise<object>;
  /** From now on, until the ports are put back, every object that a request reaches is looked at. */
  watch(): void;
  /** Brings every projection to the heads of all streams that were touched, so that a later read finds nothing to do. */
  settle(): Promise<void>;
}

/** What an object stores that was only asked. */
const NOTHING = '[]';

const DATABASES = [env.SERVING_DB, env.REPORTING_DB];

/** Counts every row that is written to the databases, by table. */
export async function countWrites(): Promise<void> {
  for (const database of DATABASES) {
    const { results } = await database
      .prepare(
        `SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'`,
      )
      .all<{ name: string; sql: string }>();
    // Full text indexes have no triggers, but every write to them comes from a table with one.
    const indexes = results.filter(({ sql }) => sql.startsWith('CREATE VIRTUAL')).map(({ name }) => name);
    const tables = results.filter(({ name }) => !indexes.some((index) => name.startsWith(index)));
    await database.batch([
      database.prepare(`CREATE TABLE written (name TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID`),
      ...tables.flatMap(({ name }) => [
        database.prepare(`INSERT INTO written VALUES ('${name}', 0)`),
        ...['INSERT', 'UPDATE', 'DELETE'].map((what) =>
          database.prepare(
            `CREATE TRIGGER ${name}_${what} AFTER ${what} ON ${name} BEGIN UPDATE written SET times = times + 1 WHERE name = '${name}'; END`,
          ),
        ),
      ]),
    ]);
  }
}

export function watchedChanges(): Changes {
  const touched = new Set<StreamId>();
  const stored = new Map<StreamId, string>();
  let [timesChanged, lastChanged] = [0, ''];

  /** The whole storage of an object, except its alarm and its delivery state, which change by themselves. */
  function storageOf(stream: StreamId): Promise<string> {
    return runInDurableObject(objectOf(stream), (_object, { storage: { sql } }) => {
      const all = sql
        .exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
        .toArray();
      const own = all.filter(({ name }) => !name.startsWith('_cf') && name !== 'delivery');
      return JSON.stringify(own.map(({ name }) => [name, sql.exec(`SELECT * FROM ${name}`).toArray()]));
    });
  }

  return {
    watch() {
      const { aggregateStub } = ports;
      ports.aggregateStub = (bindings, stream) => {
        touched.add(stream);
        return aggregateStub(bindings, stream);
      };
    },
    async soFar() {
      for (const stream of touched) {
        const now = await storageOf(stream);
        if (now === (stored.get(stream) ?? NOTHING)) continue;
        stored.set(stream, now);
        [timesChanged, lastChanged] = [timesChanged + 1, stream];
      }
      touched.clear();
      const written = DATABASES.map(async (database) => (await database.prepare(`SELECT * FROM written`).raw()).flat());
      return { written: await Promise.all(written), timesChanged, lastChanged };
    },
    async settle() {
      for (const stream of touched) {
        const wanted = await system.aggregates.currentVersion(stream);
        for (const projection of wanted > 0 ? system.registry.projectionsFollowing(stream) : [])
          await system.catchUp(projection, [{ stream, wanted }]);
      }
    },
  };
}
