/**
 * A database that reports D1's counts for every statement of a batch, and for every query. `bound`: all values of its part of the batch. A joint
 * batch of several projections has a part for each, which begins with the pointer: the one that is read, or the one that is asserted.
 */
export function toldOf(real: D1Database, told: (bound: readonly unknown[], meta: D1Meta) => void): D1Database {
  const bindings = new Map<D1PreparedStatement, readonly unknown[]>();
  const beginnings = new WeakSet<D1PreparedStatement>();

  function statement(inner: D1PreparedStatement, isBeginning: boolean): D1PreparedStatement {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'bind') {
          return (...values: unknown[]) => {
            const bound = target.bind(...values);
            const wrapped = statement(bound, isBeginning);
            if (isBeginning) beginnings.add(wrapped);
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
            const wrapped = statement(prepared, /^\s*(SELECT epoch|INSERT INTO guard \(epoch_as_read)/.test(sql));
            inners.set(wrapped, prepared);
            return wrapped;
          };
        }
        if (property === 'withSession') return (from: string) => connection((target as D1Database).withSession(from));
        if (property === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            const results = await target.batch(statements.map((wrapped) => inners.get(wrapped) ?? wrapped));
            const parts: D1PreparedStatement[][] = [];
            for (const wrapped of statements) {
              if (parts.length === 0 || beginnings.has(wrapped)) parts.push([]);
              parts.at(-1)?.push(wrapped);
            }
            const boundIn = parts.flatMap((part) => {
              const bound = part.flatMap((wrapped) => bindings.get(wrapped) ?? []);
              return part.map(() => bound);
            });
            for (const [index, { meta }] of results.entries()) told(boundIn[index] ?? [], meta);
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
