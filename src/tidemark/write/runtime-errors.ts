import { TimeoutError } from '../platform/timeout.ts';

/** What an error tells about the call to an object. */
export type Meaning =
  /** The object did not run the call, or rolled it back. The fault passes. */
  | 'nothing-done'
  /** The object may have run it and committed. */
  | 'unknown'
  /** The object's own code refused the call before it stored anything. It would do so again: a bug. */
  | 'refused-for-good'
  /** The storage refuses the call: it is full, or the account's spending limit has switched it off. Nothing was done. */
  | 'storage-unavailable';

/** How to treat an error of a call to an object. */
export interface Judgement {
  /** The fault, in a few words. */
  readonly what: string;
  readonly means: Meaning;
  /**
   * Whether to send the call again at once, if it may run twice (a read, or a command with a key) or has never run. If false, a retry at once makes
   * things worse.
   */
  readonly mayTryAgain: boolean;
}

/** The message of such an error, and the properties that the runtime adds to it. */
interface RuntimeError {
  readonly name: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly overloaded: boolean;
  readonly remote: boolean;
  readonly durableObjectReset: boolean;
}

interface Row extends Judgement {
  readonly is: (error: RuntimeError, original: unknown) => boolean;
}

/** The account's own limit, and the daily limits of the free plan: `Exceeded allowed rows written in Durable Objects free tier.` */
const SPENDING_LIMIT = /spending cap|Exceeded allowed .* free tier/i;
const FULL = /SQLITE_FULL|database or disk is full/i;

/**
 * Every error that the runtime may give for a call to an object. The first matching row applies.
 *
 * The sources of the properties (github.com/cloudflare/workerd, src/workerd, at 6552d99):
 * - jsg/util.c++, decodeTunneledException: a KJ exception of type DISCONNECTED is `.retryable`. One of type OVERLOADED is `.overloaded`. An error has
 *   both only if the object's own code threw it with both.
 * - jsg/exception.c++, tunneledErrorType: a description that begins with `broken.` is `.durableObjectReset`, whatever the type. One that begins with
 *   `remote.` is `.remote`: any error that came back through a call, also one of the platform. So `.remote` alone does not prove that the object's
 *   code threw it (cloudflare-docs#14193).
 * - io/actor-sqlite.c++: a commit that fails breaks the output gate, and with it *every* answer that waits there. The commit of such an answer may be
 *   durable. So an error with `.durableObjectReset` never proves that nothing was done.
 *
 * The runtime itself retries a call with a `.retryable` error, up to four times within ten seconds. It does so if the call never reached the object,
 * or if that is unknown (developers.cloudflare.com/durable-objects/best-practices/automatic-retries). A retry has the identity of the first try. An
 * object that has received the first rejects the retry, and the call fails with the *first* error. So the platform never runs a command without a key
 * twice. But the object may have run a call whose `.retryable` error arrives here: its outcome is unknown.
 */
export const RUNTIME_ERRORS: readonly Row[] = [
  {
    // This code's own timeout. The call goes on, and may yet commit.
    what: 'no answer in time',
    is: (_, original) => original instanceof TimeoutError,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // io/worker.c++, makeTimeoutPromise: OVERLOADED, `broken.outputGateBroken`. The commit took 30 s, and may be durable all the same.
    // io/actor-cache.c++, evictOrOomIfNeeded: OVERLOADED, `broken.exceededMemory`. The platform gives the same error for an isolate's limit.
    what: 'reset under load: the output gate timed out, or the memory was exceeded',
    is: ({ overloaded, durableObjectReset }) => overloaded && durableObjectReset,
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // util/sqlite.c++, handleCriticalError: SQLite has rolled back. Every answer at the gate gets the error, also that of an earlier command. The
    // next try finds out whether its command was applied.
    // io/actor-sqlite.c++, startPrecommitAlarmScheduling: a commit fails in the same way if its alarm cannot be scheduled. The spending limit does
    // not cause this, because it rejects `setAlarm` itself.
    // The error is also the same for a new version of the code, CPU time, abort(), a constructor that throws (io/worker.c++,
    // `broken.constructorFailed`), and `Internal error in Durable Object storage write caused object to be reset` (io/actor-cache.c++, flushImpl).
    what: 'reset',
    is: ({ durableObjectReset }) => durableObjectReset,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // developers.cloudflare.com/durable-objects/platform/spend-management: the platform rejects calls before the object gets them. Inside an object
    // it rejects SQL and `setAlarm`. If they throw, their transaction is rolled back. If instead the promise of `setAlarm` rejects, the commit
    // stands, and the relay repairs the alarm (relay.ts). A caller never gets that error.
    what: 'the spending limit of the account is reached',
    is: ({ message }) => SPENDING_LIMIT.test(message),
    means: 'storage-unavailable',
    mayTryAgain: false,
  },
  {
    // From the object's own code before it writes (event-log.ts), or from SQLite, which rolled the statement back.
    what: 'the storage is full',
    is: ({ message }) => FULL.test(message),
    means: 'storage-unavailable',
    mayTryAgain: false,
  },
  {
    // SQLite could not run one statement for now, and the transaction was rolled back. (If SQLite itself rolls back, the object is reset.)
    what: 'SQLite is out of memory or has met an error of the disk',
    is: ({ message }) => /SQLITE_(NOMEM|IOERR|BUSY|LOCKED|INTERRUPT)/.test(message),
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // io/io-context.h: OVERLOADED, without `broken.`. `Worker has exceeded memory limit.` is thrown while a running call waits for something. The
    // call may have committed.
    what: 'memory exceeded in the middle of the call',
    is: ({ overloaded, message }) => overloaded && /exceeded (its )?memory limit/.test(message),
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // developers.cloudflare.com/durable-objects/observability/troubleshooting: too many requests or too much data is queued, a request was queued for
    // too long, or too many came within ten seconds. The object never ran the rejected call.
    what: 'turned away: the object is overloaded',
    is: ({ overloaded }) => overloaded,
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // The same page: a limit on the rate at which stubs are made. This error has no `.overloaded`.
    what: 'turned away: the account is too busy',
    is: ({ message }) => /generating too much load/.test(message),
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // The platform did not find the object, so it sent nothing to it.
    what: 'the object cannot be found at the moment',
    is: ({ message }) => /cannot resolve durable object/i.test(message),
    means: 'nothing-done',
    mayTryAgain: true,
  },
  {
    // jsg/util.c++: a DISCONNECTED error that is no JavaScript error of its own reads `Network connection lost.` Two others are also `.retryable`:
    // `Durable Object reset because its code was updated.` and `Connection closed: this Durable Object instance is no longer active.`
    what: 'the connection was lost',
    is: ({ retryable }) => retryable,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // The old instance may no longer use its storage. Its next use throws this, and so can a commit that is under way.
    what: 'the instance was replaced',
    is: ({ message }) => /no longer access(ible| storage)|moved to a different machine/.test(message),
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // io/worker-entrypoint.c++, exceptionToPropagate: an error of the platform that hides its cause. It may come after the commit.
    what: 'an internal error of the platform',
    is: ({ message }) => message.startsWith('internal error'),
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // api/worker-rpc.c++: the call ran, and the platform could not send its result.
    what: 'the answer could not be sent',
    is: ({ name, remote }) => name === 'DataCloneError' && remote,
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // The platform could not send the arguments, so the call never left.
    what: 'the call could not be sent',
    is: ({ name }) => name === 'DataCloneError',
    means: 'refused-for-good',
    mayTryAgain: false,
  },
  {
    // If `execute` throws, it throws before its commit or rolls it back. Nothing after the commit throws (aggregate-object.ts).
    what: 'the object’s own code threw',
    is: ({ remote }) => remote,
    means: 'refused-for-good',
    mayTryAgain: false,
  },
  {
    // An unknown error proves nothing.
    what: 'anything else',
    is: () => true,
    means: 'unknown',
    mayTryAgain: false,
  },
];

/** Finds the row for an error of a call to an object. */
export function judge(error: unknown): Judgement {
  const { name = '', message = String(error), ...properties } = Object(error) as Partial<RuntimeError>;
  const seen: RuntimeError = {
    name,
    message,
    retryable: properties.retryable === true,
    overloaded: properties.overloaded === true,
    remote: properties.remote === true,
    durableObjectReset: properties.durableObjectReset === true,
  };
  return RUNTIME_ERRORS.find(({ is }) => is(seen, error)) as Row;
}

/** Whether the object's code has no such method (api/worker-rpc.c++: `The RPC receiver does not implement "replay".`). */
export function isUnknownMethod(error: unknown): boolean {
  return error instanceof TypeError && error.message.includes('does not implement');
}
