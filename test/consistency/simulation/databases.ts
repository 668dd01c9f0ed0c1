import type { Group } from '../../../src/tidemark/platform/group.ts';
import { type DatabaseCopy, copyDatabase, putBack } from './database-copy.ts';
import { WRITES } from './database-troubles.ts';
import type { World } from './world.ts';

/** A statement as data, so that a replica can run it later. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** A group's database as D1 has it: a primary that takes every write, and a replica that may be arbitrarily far behind. */
export interface Pair {
  readonly primary: D1Database;
  readonly replica: D1Database;
}

const OVERLOADED = 'D1_ERROR: D1 DB is overloaded. Too many requests queued.';
const LOST = 'D1_ERROR: Network connection lost.';
const BOOKMARK_DIGITS = 12;
const IMPOSSIBLE: Statement = { sql: `SELECT json('{')`, values: [] };

/** The property of a wrapped statement that holds the statement as data, for `batch`. */
const STATEMENT = Symbol('the statement as data');

type Run = (statements: readonly Statement[]) => Promise<readonly D1Result[]>;

/** One group's database behind the production port: the statements run for real, at their turn, and fail as the run's mix has it. */
export class SimulatedDatabase {
  /** Calls as D1 knows them outside of a session: all of them for the primary. */
  readonly port: D1Database;
  readonly #world: World;
  readonly #group: Group;
  readonly #pair: Pair;
  /** Everything that was committed, in order. A bookmark is a place in it. */
  readonly #written: (readonly Statement[])[] = [];
  /** How many of these the replica has. */
  #replicated = 0;

  constructor(world: World, group: Group, pair: Pair) {
    this.#world = world;
    this.#group = group;
    this.#pair = pair;
    this.port = {
      ...connection((statements) => this.#run(statements, (all) => this.#onPrimary(all))),
      withSession: (from: string) => this.#session(from),
      exec: () => {
        throw new Error('nothing in production calls exec');
      },
      dump: () => {
        throw new Error('nothing in production calls dump');
      },
    } as unknown as D1Database;
  }

  /** A copy of all its tables. */
  copy(): Promise<DatabaseCopy> {
    return copyDatabase(this.#pair.primary);
  }

  /**
   * Sets it back to how it was, and the replica with it. Bookmarks go on rising, so one from the lost future is satisfied by what there is
   * now: nothing about it says that what it stood for is gone.
   */
  async restore(copy: DatabaseCopy): Promise<void> {
    await putBack(this.#pair.primary, copy);
    await putBack(this.#pair.replica, copy);
    this.#written.push([]);
    this.#replicated = this.#written.length;
  }

  #session(from: string): D1DatabaseSession {
    if (from === 'first-primary') this.#world.noteTurnToPrimary();
    // Without a bookmark a replica of any age may answer.
    let bookmark = /^\d+$/.test(from) ? Number(from) : from === 'first-unconstrained' ? 0 : undefined;
    let isRead = false;
    const run: Run = (statements) =>
      this.#run(statements, async (all) => {
        const isWrite = all.some(({ sql }) => WRITES.test(sql));
        if (bookmark !== undefined && !isWrite && this.#world.happens('d1.stale-replica')) {
          const results = await this.#onReplica(all, bookmark);
          bookmark = this.#replicated;
          isRead = true;
          return results;
        }
        const results = await this.#onPrimary(all);
        bookmark = this.#written.length;
        isRead = true;
        return results;
      });
    return {
      ...connection(run),
      getBookmark: () => (isRead ? String(bookmark).padStart(BOOKMARK_DIGITS, '0') : null),
    } as unknown as D1DatabaseSession;
  }

  /** Waits for its turn; then runs the statements, or fails before or after that. */
  async #run(statements: readonly Statement[], serve: Run): Promise<readonly D1Result[]> {
    const world = this.#world;
    const label = `d1.${this.#group.name}`;
    const isHanging = world.happens('d1.hangs');
    return world.scheduler.call(
      label,
      async () => {
        if (world.happens('d1.fails-before')) throw new Error(LOST);
        if (world.happens('d1.overloaded')) throw new Error(OVERLOADED);
        // A statement that the database cannot take, behind some that it has taken: it takes all of them back.
        if (statements.length > 1 && world.happens('d1.fails-in-the-middle')) {
          const half = statements.slice(0, Math.ceil(statements.length / 2));
          await send(this.#pair.primary, [...half, IMPOSSIBLE]).catch(() => undefined);
          throw new Error(LOST);
        }
        const results = await serve(statements).catch((error: unknown) => {
          world.noteRefusal(String(error));
          throw error;
        });
        world.noteCall(statements.some(({ sql }) => WRITES.test(sql)));
        const isWrite = statements.some(({ sql }) => WRITES.test(sql));
        if (isWrite ? world.happens('d1.answer-lost') : world.happens('d1.fails-before')) throw new Error(LOST);
        return results;
      },
      isHanging ? world.between(1_000, 40_000) : 0,
    );
  }

  async #onPrimary(statements: readonly Statement[]): Promise<readonly D1Result[]> {
    const refusal = this.#world.troubles.refusalOf(this.#group, statements);
    if (refusal) {
      this.#world.count(refusal.kind);
      throw new Error(refusal.error);
    }
    const results = await send(this.#pair.primary, statements);
    if (statements.some(({ sql }) => WRITES.test(sql))) this.#written.push(statements);
    return results.map((result) => withMeta(result, true));
  }

  /** From a replica that is at least at the bookmark, and perhaps not far beyond. */
  async #onReplica(statements: readonly Statement[], bookmark: number): Promise<readonly D1Result[]> {
    this.#world.noteReplica();
    const least = Math.max(bookmark, this.#replicated);
    const isFresh = this.#world.chance(0.2);
    const wanted = isFresh ? this.#world.between(least, this.#written.length) : least;
    for (; this.#replicated < wanted; this.#replicated += 1) {
      await send(this.#pair.replica, this.#written[this.#replicated] ?? []);
    }
    const results = await send(this.#pair.replica, statements);
    return results.map((result) => withMeta(result, false));
  }
}

async function send(database: D1Database, statements: readonly Statement[]): Promise<readonly D1Result[]> {
  return database.batch(statements.map(({ sql, values }) => database.prepare(sql).bind(...values)));
}

function withMeta(result: D1Result, isPrimary: boolean): D1Result {
  return { ...result, meta: { ...result.meta, served_by_primary: isPrimary } };
}

/** What databases and sessions have in common. */
function connection(run: Run) {
  function statement(data: Statement): D1PreparedStatement {
    const all = async () => (await run([data]))[0] as D1Result<Record<string, unknown>>;
    return {
      [STATEMENT]: data,
      bind: (...values: unknown[]) => statement({ ...data, values }),
      all,
      run: all,
      first: async (column?: string) => {
        const row = (await all()).results[0];
        if (!row) return null;
        return column === undefined ? row : row[column];
      },
    } as unknown as D1PreparedStatement;
  }
  return {
    prepare: (sql: string) => statement({ sql, values: [] }),
    batch: (statements: readonly { [STATEMENT]: Statement }[]) => run(statements.map((one) => one[STATEMENT])),
  };
}
