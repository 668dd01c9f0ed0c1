/** Code that has to be pure asked for the time or for chance. */
export class ImpureError extends Error {
  override readonly name = 'ImpureError';
}

/**
 * Runs `work`, in which asking for the time or for chance (`Date.now()`, `new Date()`, `Math.random()`, `crypto.randomUUID()`,
 * `crypto.getRandomValues()`) is an `ImpureError` that names what was asked and `who` asked; even if `work` catches it.
 *
 *     deterministically('the handler SeatReserved of seat-map', () => handler.create(event));
 */
export function deterministically<Result>(who: string, work: () => Result): Result {
  let violation: ImpureError | undefined;
  function forbid(what: string) {
    return (): never => {
      violation ??= new ImpureError(
        `${who} calls ${what}: its result may only depend on its arguments, or a replay gives another result`,
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

/** Replaces one member of a shared object; returns what puts it back. */
function replace(owner: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { configurable: true, writable: true, value });
  return () => {
    if (own) Object.defineProperty(owner, name, own);
    else Reflect.deleteProperty(owner, name);
  };
}

/** `Date` for given times only. */
function dateWithoutNow(forbiddenConstruct: () => never, forbiddenNow: () => never): DateConstructor {
  return new Proxy(Date, {
    construct: (target, args, newTarget) =>
      args.length === 0 ? forbiddenConstruct() : (Reflect.construct(target, args, newTarget) as Date),
    apply: forbiddenConstruct,
    get: (target, property, receiver) =>
      property === 'now' ? forbiddenNow : (Reflect.get(target, property, receiver) as unknown),
  });
}

/** Makes a plain value and everything in it immutable, so that code that writes to its arguments throws. Returns the value. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  // A view of a buffer cannot be frozen.
  if (!ArrayBuffer.isView(value)) Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
