import type { SQLiteConnection, SQLiteConnectionPool } from '@event-driven-io/emmett-sqlite';

type Parameter = object | string | bigint | number | boolean | null;

/** The database of a Durable Object as the connections that Emmett asks for. */
export function connectionsTo(storage: DurableObjectStorage): SQLiteConnectionPool {
  return {
    connection: async () => connectionTo(storage),
    // One for each piece of work, since it knows whether it is within a transaction.
    withConnection: async (work) => work(connectionTo(storage)),
    close: async () => undefined,
  };
}

function connectionTo(storage: DurableObjectStorage): SQLiteConnection {
  let isInTransaction = false;
  async function query<Row>(sql: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    try {
      return storage.sql.exec(sql, ...parameters.map(toBinding)).toArray() as Row[];
    } catch (error) {
      throw asSqlite3Error(error);
    }
  }
  return {
    close: () => undefined,
    command: async (sql, parameters) => query(sql, parameters),
    batchCommand: async (statements) => {
      for (const statement of statements) await query(statement);
    },
    query,
    querySingle: async <Row>(sql: string, parameters?: Parameter[]) => (await query<Row>(sql, parameters))[0] ?? null,
    async withTransaction(work) {
      if (isInTransaction) return work();
      isInTransaction = true;
      try {
        return await storage.transaction(async (transaction) => {
          const result = await work();
          // Emmett 0.42 returns a conflict of versions when it has already moved the stream's position: that must not be kept.
          if (isConflict(result)) transaction.rollback();
          return result;
        });
      } finally {
        isInTransaction = false;
      }
    },
  };
}

function isConflict(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'success' in result && result.success === false;
}

/** As the package `sqlite3` does it: a boolean becomes a number, and all else a string. */
function toBinding(parameter: Parameter): string | number | null {
  if (parameter === null || typeof parameter === 'string' || typeof parameter === 'number') return parameter;
  // oxlint-disable-next-line typescript/no-base-to-string -- Emmett 0.42 does bind an object, as the partition of a stream.
  return typeof parameter === 'boolean' ? Number(parameter) : String(parameter);
}

const SQLITE_CONSTRAINT = 19;

/** An error as the package `sqlite3` throws it: Emmett takes a violated constraint for a conflict, and knows it by its number. */
function asSqlite3Error(error: unknown): unknown {
  return error instanceof Error && error.message.includes('SQLITE_CONSTRAINT')
    ? Object.assign(error, { code: 'SQLITE_CONSTRAINT', errno: SQLITE_CONSTRAINT })
    : error;
}
