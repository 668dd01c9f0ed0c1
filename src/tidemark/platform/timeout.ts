/** Calls `ring` after `ms`. The returned function cancels the call. */
export type SetTimer = (ms: number, ring: () => void) => () => void;

const setPlatformTimer: SetTimer = (ms, ring) => {
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
};

let timers = setPlatformTimer;

/** Calls `ring` after `ms`. The returned function cancels the call. All waits in the framework use it. */
export const setTimer: SetTimer = (ms, ring) => timers(ms, ring);

/** Replaces the timers of all later waits. A simulation uses this to decide when a wait times out. */
export function replaceTimers(replacement: SetTimer = setPlatformTimer): void {
  timers = replacement;
}

/** Settles as `work` does, or rejects with `TimeoutError` after `timeoutMs`. It does not stop the work, so the work's outcome is then unknown. */
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

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimer(ms, resolve);
  });
}
