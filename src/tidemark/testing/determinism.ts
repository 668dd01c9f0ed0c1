/** Code that must be pure read the time or used a random source. */
export class ImpureError extends Error {
  override readonly name = 'ImpureError';
}

/**
 * Runs `work` without the time and random sources: `Date.now()`, `new Date()`, `Math.random()`, `crypto.randomUUID()` and `crypto.getRandomValues()`
 * throw an `ImpureError`. The error names the call and `who` made it. If `work` catches it, this function still throws it.
 *
 *     deterministically('the handler SeatReserved of seat-map', () => handler.create(event));
 */
export function deterministically<Result>(who: string, work: () => Result): Result {
  let violation: ImpureError | undefined;
  function forbid(what: string) {
    return (): never => {
      violation ??= new ImpureError(
        `${who} calls ${what}: its result may depend only on its arguments, since a replay must give the same result`,
      );
      throw violation;
    };
  }

  const restore = [
    replace(globalThis, 'Date', dateWithoutNow(forbid('new Date()'), forbid('Date.now()'))),
    replace(Math, 'random', forbid('Math.random()')),
    replace(crypto, 'randomUUID', forbid('crypto.randomUUID()')),
    replace(crypto, 'getRandomValues', forbid('crypto.getRandomValues()')),
  ];
  try {
    const result = work();
    if (violation) throw violation;
    return result;
  } catch (error) {
    throw violation ?? error;
  } finally {
    for (const put of restore.toReversed()) put();
  }
}

/** Replaces one member of a shared object. Returns a function that restores it. */
function replace(owner: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { configurable: true, writable: true, value });
  return () => {
    if (own) Object.defineProperty(owner, name, own);
    else Reflect.deleteProperty(owner, name);
  };
}

/** A `Date` that works only with a given time. */
function dateWithoutNow(forbiddenConstruct: () => never, forbiddenNow: () => never): DateConstructor {
  return new Proxy(Date, {
    construct: (target, args, newTarget) =>
      args.length === 0 ? forbiddenConstruct() : (Reflect.construct(target, args, newTarget) as Date),
    apply: forbiddenConstruct,
    get: (target, property, receiver) =>
      property === 'now' ? forbiddenNow : (Reflect.get(target, property, receiver) as unknown),
  });
}

/** Makes a plain value and everything in it immutable, so that code that changes its arguments throws. Returns the value. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  // JavaScript cannot freeze a view of a buffer.
  if (!ArrayBuffer.isView(value)) Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
