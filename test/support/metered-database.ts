/** What D1 counted for the statements of a database. */
export interface DatabaseBill {
  statements: number;
  rowsRead: number;
  rowsWritten: number;
  /** The most that a single statement read. */
  mostRowsRead: number;
}

/** A database that sums D1's counts of each statement: those run by `all`, `run` or `first`, and those in a batch. */
export function meteredDatabase(real: D1Database): { readonly database: D1Database; readonly bill: DatabaseBill } {
  const bill: DatabaseBill = { statements: 0, rowsRead: 0, rowsWritten: 0, mostRowsRead: 0 };
  const inners = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

  function count({ meta }: D1Result): void {
    bill.statements += 1;
    bill.rowsRead += meta.rows_read;
    bill.rowsWritten += meta.rows_written;
    bill.mostRowsRead = Math.max(bill.mostRowsRead, meta.rows_read);
  }

  function statement(inner: D1PreparedStatement): D1PreparedStatement {
    const wrapped = new Proxy(inner, {
      get(target, property) {
        if (property === 'bind') return (...values: unknown[]) => statement(target.bind(...values));
        if (property !== 'all' && property !== 'run' && property !== 'first')
          return Reflect.get(target, property) as unknown;
        return async (column?: string) => {
          const answer = await target.all();
          count(answer);
          if (property !== 'first') return answer;
          const row = answer.results[0] ?? null;
          return row && column !== undefined ? row[column] : row;
        };
      },
    });
    inners.set(wrapped, inner);
    return wrapped;
  }

  const database = new Proxy(real, {
    get(target, property) {
      if (property === 'prepare') return (sql: string) => statement(target.prepare(sql));
      if (property !== 'batch') return Reflect.get(target, property) as unknown;
      return async (statements: readonly D1PreparedStatement[]) => {
        const answers = await target.batch(statements.map((wrapped) => inners.get(wrapped) ?? wrapped));
        for (const answer of answers) count(answer);
        return answers;
      };
    },
  });
  return { database, bill };
}
