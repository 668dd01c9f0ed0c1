/** How all waiting is done: has `ring` called after `ms`, unless the function that is returned is called before. */
export type SetTimer = (ms: number, ring: () => void) => () => void;

/** The platform's own timers. */
const setPlatformTimer: SetTimer = (ms, ring) => {
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
};

let timers = setPlatformTimer;

/** Has `ring` called after `ms`, unless the function that is returned is called before. */
export const setTimer: SetTimer = (ms, ring) => timers(ms, ring);

/** For a simulation, which decides what is too late: all waiting uses its timers from now on. */
export function replaceTimers(replacement: SetTimer = setPlatformTimer): void {
  timers = replacement;
}

/** `work`, or a rejection with `TimeoutError` after `timeoutMs`. The work itself is not stopped: its outcome is then unknown. */
export async function withTimeout<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const cancel = setTimer(timeoutMs, () => reject(new TimeoutError(`no answer within ${timeoutMs} ms`)));
  try {
    return await Promise.race([work, timeout]);
  } finally {
    cancel();
  }
}

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimer(ms, resolve);
  });
}
