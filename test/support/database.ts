/** What a test does to the calls of a database, before they reach the real one. */
export interface DatabaseFaults {
  /** Called before every batch; may throw, or do something in between. */
  beforeBatch?: (number: number) => Promise<void> | void;
  /** Called after every batch has been committed; may throw, as when the answer is lost. */
  afterBatch?: (number: number) => Promise<void> | void;
  /** Called before every single statement is run. */
  beforeQuery?: () => Promise<void> | void;
}

/** A database that counts its round trips and fails as told. The statements themselves run for real. */
export function faultyDatabase(real: D1Database, faults: DatabaseFaults = {}) {
  const calls = { batches: 0, queries: 0 };

  function statement(inner: D1PreparedStatement): D1PreparedStatement {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'bind') return (...values: unknown[]) => statement(target.bind(...values));
        if (property === INNER) return target;
        const value = Reflect.get(target, property) as unknown;
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          calls.queries += 1;
          await faults.beforeQuery?.();
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  }

  function connection<Real extends D1Database | D1DatabaseSession>(inner: Real): Real {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'prepare') return (sql: string) => statement(target.prepare(sql));
        if (property === 'withSession') return (from: string) => connection((target as D1Database).withSession(from));
        if (property === 'batch') {
          return async (statements: Unwrappable[]) => {
            calls.batches += 1;
            const number = calls.batches;
            await faults.beforeBatch?.(number);
            const answer = await target.batch(statements.map((wrapped) => wrapped[INNER]));
            await faults.afterBatch?.(number);
            return answer;
          };
        }
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  return { database: connection(real), calls };
}

const INNER = Symbol('the statement itself');
type Unwrappable = { [INNER]: D1PreparedStatement };

/** The database, with a list of how long the texts are that are bound, in bytes. Local SQLite takes longer ones than D1. */
export function measuredDatabase(database: D1Database) {
  const lengths: number[] = [];
  const measured = {
    prepare: (statement: string) => ({
      bind(...parameters: unknown[]) {
        lengths.push(...parameters.map((parameter) => new TextEncoder().encode(String(parameter)).length));
        return database.prepare(statement).bind(...parameters);
      },
    }),
    batch: (statements: D1PreparedStatement[]) => database.batch(statements),
  } as unknown as D1Database;
  return { measured, lengths };
}
