import type { Env } from '../../src/bindings.ts';
import type { Platform } from '../../src/tidemark/runtime/platform.ts';
import { production } from './platform.ts';
import { type Counted, NOTHING, type Operations } from './operations.ts';

/** How many operations a message is each time that it is written, read or deleted: https://developers.cloudflare.com/queues/platform/pricing/ */
function chunksOf(body: unknown): number {
  return Math.max(1, Math.ceil(new TextEncoder().encode(JSON.stringify(body)).byteLength / 64_000));
}

/** Counts everything that Cloudflare bills by operation, in one isolate. */
export function operationsMeter() {
  let all: Operations = { ...NOTHING };
  let byGroup: Record<string, Operations> = {};
  let cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
  const alarms = new Set<string>();
  let messagesUnderWay = 0;

  function add(more: Partial<Operations>, group?: string): void {
    const counts = group === undefined ? [all] : [all, (byGroup[group] ??= { ...NOTHING })];
    for (const count of counts) for (const [name, by] of Object.entries(more)) count[name as keyof Operations] += by;
  }

  /** A cursor knows its costs only after it was read. */
  function settleCursors(): void {
    for (const { rowsRead, rowsWritten } of cursors) add({ objectRowsRead: rowsRead, objectRowsWritten: rowsWritten });
    cursors = [];
  }

  return {
    add,
    /** The counts since the last call. */
    take(): Counted {
      settleCursors();
      const taken = { all, byGroup, isAnythingDue: alarms.size > 0 || messagesUnderWay > 0 };
      all = { ...NOTHING };
      byGroup = {};
      return taken;
    },
    /** Counts the run of an object's alarm, which is not set any more. */
    alarmRun(object: string): void {
      alarms.delete(object);
      add({ alarmRuns: 1 });
    },
    /** Counts the rows of an object's storage, and an alarm that is set or deleted as one written. */
    object(storage: DurableObjectStorage, object: string): void {
      const { sql } = storage;
      const exec = sql.exec.bind(sql);
      Object.defineProperty(sql, 'exec', {
        value: (...args: Parameters<typeof exec>) => {
          const cursor = exec(...args);
          cursors.push(cursor);
          return cursor;
        },
      });
      for (const name of ['setAlarm', 'deleteAlarm'] as const) {
        const real = storage[name].bind(storage) as (...args: unknown[]) => Promise<void>;
        Object.defineProperty(storage, name, {
          value: (...args: unknown[]) => {
            add({ objectRowsWritten: 1 });
            if (name === 'setAlarm') alarms.add(object);
            else alarms.delete(object);
            return real(...args);
          },
        });
      }
    },
    /** A batch of a group's messages that a consumer got: each was read, and will be deleted. */
    received(messages: readonly Message[], group: string | undefined): void {
      const chunks = messages.reduce((sum, { body }) => sum + chunksOf(body), 0);
      add({ workerRequests: 1, queueOperations: 2 * chunks }, group);
      messagesUnderWay -= messages.length;
    },
    database: (real: D1Database, group?: string) =>
      metered(real, ({ meta }) => {
        add({ databaseRowsRead: meta.rows_read, databaseRowsWritten: meta.rows_written }, group);
      }),
    /** Production's platform, counted. */
    platform(): Platform<Env> {
      const databases = new WeakMap<D1Database, D1Database>();
      return {
        ...production,
        aggregateStub(env, stream) {
          const stub = production.aggregateStub(env, stream);
          return new Proxy(stub, {
            get(target, method) {
              return (...args: unknown[]) => {
                add({ objectRequests: 1 });
                return (target as unknown as Record<string | symbol, (...args: unknown[]) => unknown>)[method]?.(
                  ...args,
                );
              };
            },
          });
        },
        async send(env, group, message, options) {
          add({ queueMessages: 1, queueOperations: chunksOf(message) }, group.name);
          messagesUnderWay += 1;
          await production.send(env, group, message, options);
        },
        database: (env, group) => {
          const real = production.database(env, group);
          const known = databases.get(real) ?? this.database(real, group.name);
          databases.set(real, known);
          return known;
        },
      };
    },
  };
}

/** A database or session that reports each of its results. */
function metered<Real extends D1Database | D1DatabaseSession>(real: Real, told: (result: D1Result) => void): Real {
  const inners = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

  function statement(inner: D1PreparedStatement): D1PreparedStatement {
    const run = async () => {
      const result = await inner.all();
      told(result);
      return result;
    };
    const wrapped = new Proxy(inner, {
      get(target, property) {
        switch (property) {
          case 'bind':
            return (...values: unknown[]) => statement(target.bind(...values));
          case 'all':
          case 'run':
            return run;
          case 'first':
            return async (column?: string) => {
              const [row = null] = (await run()).results;
              return column === undefined ? row : (row?.[column] ?? null);
            };
          case 'raw':
            return async () => (await run()).results.map((row) => Object.values(row));
          default:
            return Reflect.get(target, property) as unknown;
        }
      },
    });
    inners.set(wrapped, inner);
    return wrapped;
  }

  return new Proxy(real, {
    get(target, property) {
      switch (property) {
        case 'prepare':
          return (sql: string) => statement(target.prepare(sql));
        case 'batch':
          return async (statements: readonly D1PreparedStatement[]) => {
            const results = await target.batch(statements.map((wrapped) => inners.get(wrapped) ?? wrapped));
            results.forEach(told);
            return results;
          };
        case 'withSession':
          return (from?: string) => metered((target as D1Database).withSession(from), told);
        default: {
          const value = Reflect.get(target, property) as unknown;
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        }
      }
    },
  });
}
