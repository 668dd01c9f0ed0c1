/** A database that reports D1's counts for every statement of a batch, and for every query. `bound`: all values of its batch. */
export function toldOf(real: D1Database, told: (bound: readonly unknown[], meta: D1Meta) => void): D1Database {
  const bindings = new Map<D1PreparedStatement, readonly unknown[]>();

  function statement(inner: D1PreparedStatement): D1PreparedStatement {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'bind') {
          return (...values: unknown[]) => {
            const bound = target.bind(...values);
            const wrapped = statement(bound);
            bindings.set(wrapped, values);
            inners.set(wrapped, bound);
            return wrapped;
          };
        }
        if (property !== 'all') return Reflect.get(target, property) as unknown;
        return async () => {
          const answer = await target.all();
          told([], answer.meta);
          return answer;
        };
      },
    });
  }
  const inners = new Map<D1PreparedStatement, D1PreparedStatement>();

  function connection<Real extends D1Database | D1DatabaseSession>(inner: Real): Real {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'prepare') {
          return (sql: string) => {
            const prepared = target.prepare(sql);
            const wrapped = statement(prepared);
            inners.set(wrapped, prepared);
            return wrapped;
          };
        }
        if (property === 'withSession') return (from: string) => connection((target as D1Database).withSession(from));
        if (property === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            const results = await target.batch(statements.map((wrapped) => inners.get(wrapped) ?? wrapped));
            const bound = statements.flatMap((wrapped) => bindings.get(wrapped) ?? []);
            for (const { meta } of results) told(bound, meta);
            return results;
          };
        }
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
  return connection(real);
}
