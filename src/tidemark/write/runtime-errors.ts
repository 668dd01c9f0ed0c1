import { TimeoutError } from '../platform/timeout.ts';

/** What an error of a call to an object says about that call. */
export type Meaning =
  /** The object never ran it, or has rolled back what it did. It passes. */
  | 'nothing-done'
  /** The object may have run it and committed. */
  | 'unknown'
  /** The object's own code refused it before it stored anything. It would do so again: a bug. */
  | 'refused-for-good'
  /** The storage takes or gives nothing: it is full, or switched off by the account's spending limit. Nothing was done. */
  | 'storage-unavailable';

/** How to take an error of a call to an object. */
export interface Judgement {
  /** What has happened, in a few words. */
  readonly what: string;
  readonly means: Meaning;
  /** It may be sent again at once, if it may run twice (a read, or a command with a key) or has never run. Else a try at once makes it worse. */
  readonly mayTryAgain: boolean;
}

/** The properties that the runtime puts on such an error, and what it says. */
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

/** The account's own limit, and those of the free plan for a day: `Exceeded allowed rows written in Durable Objects free tier.` */
const SPENDING_LIMIT = /spending cap|Exceeded allowed .* free tier/i;
const FULL = /SQLITE_FULL|database or disk is full/i;

/**
 * Every error that the runtime may give for a call to an object, the first row that fits.
 *
 * Where the properties come from (github.com/cloudflare/workerd, src/workerd, at 6552d99):
 * - jsg/util.c++, decodeTunneledException: a KJ exception of type DISCONNECTED is `.retryable`, one of type OVERLOADED is `.overloaded`.
 *   Never both, unless the object's own code threw an error that has both.
 * - jsg/exception.c++, tunneledErrorType: a description that begins with `broken.` is `.durableObjectReset`, whatever the type. One that
 *   begins with `remote.` is `.remote`: any error that came back through a call, the platform's own among them. So `.remote` alone
 *   does not prove that the object's code threw it (cloudflare-docs#14193).
 * - io/actor-sqlite.c++: a commit that fails breaks the output gate, and with it *every* answer that waits at the gate. The commit of
 *   one of these may be durable. So an error with `.durableObjectReset` never says that nothing was done.
 *
 * The runtime itself tries a call again, up to four times within ten seconds, if its error is `.retryable` and either the call never
 * reached the object or nobody can tell (developers.cloudflare.com/durable-objects/best-practices/automatic-retries). Such a try carries
 * the identity of the first, and an object that has received the first rejects it: then the call fails with the *first* error. So a
 * command without a key is never run twice by the platform. But a `.retryable` error that arrives here may be that of a call that was
 * run: its outcome is unknown.
 */
export const RUNTIME_ERRORS: readonly Row[] = [
  {
    // Our own. The call goes on, and may yet commit.
    what: 'no answer in time',
    is: (_, original) => original instanceof TimeoutError,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // io/worker.c++, makeTimeoutPromise: OVERLOADED, `broken.outputGateBroken`: the commit took 30 s, and may be durable all the same.
    // io/actor-cache.c++, evictOrOomIfNeeded: OVERLOADED, `broken.exceededMemory`; of an isolate's limit the platform says the same.
    what: 'reset under load: the output gate timed out, or the memory was exceeded',
    is: ({ overloaded, durableObjectReset }) => overloaded && durableObjectReset,
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // util/sqlite.c++, handleCriticalError: SQLite has rolled back, and the error goes to every answer at the gate, the one of an earlier
    // command among them. The next try finds out which it was.
    // io/actor-sqlite.c++, startPrecommitAlarmScheduling: a commit whose alarm cannot be scheduled fails in the same way. At the spending
    // limit it does not come to that: there `setAlarm` itself is rejected.
    // The same for: a new version of the code, CPU time, abort(), a constructor that throws (io/worker.c++, `broken.constructorFailed`),
    // `Internal error in Durable Object storage write caused object to be reset` (io/actor-cache.c++, flushImpl).
    what: 'reset',
    is: ({ durableObjectReset }) => durableObjectReset,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // developers.cloudflare.com/durable-objects/platform/spend-management: calls are rejected before the object has them; in an object, SQL
    // and `setAlarm` are. What they throw rolls back the transaction that they are part of. Where the promise of `setAlarm` rejects instead,
    // the commit stands, and the relay sees to the alarm (relay.ts): a caller never gets that error.
    what: 'the spending limit of the account is reached',
    is: ({ message }) => SPENDING_LIMIT.test(message),
    means: 'storage-unavailable',
    mayTryAgain: false,
  },
  {
    // The object's own code, before it writes (event-log.ts), or SQLite in a statement that it rolled back by itself.
    what: 'the storage is full',
    is: ({ message }) => FULL.test(message),
    means: 'storage-unavailable',
    mayTryAgain: false,
  },
  {
    // SQLite could not carry out one statement for now, and the transaction was rolled back. (If SQLite itself has rolled back, it is a reset.)
    what: 'SQLite is out of memory or has met an error of the disk',
    is: ({ message }) => /SQLITE_(NOMEM|IOERR|BUSY|LOCKED|INTERRUPT)/.test(message),
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // io/io-context.h: OVERLOADED, without `broken.`: `Worker has exceeded memory limit.` is thrown where a call that runs waits for
    // something: it may have committed.
    what: 'memory exceeded in the middle of the call',
    is: ({ overloaded, message }) => overloaded && /exceeded (its )?memory limit/.test(message),
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // developers.cloudflare.com/durable-objects/observability/troubleshooting: too many requests or too much data is queued, a request was
    // queued for too long, or too many came within ten seconds. What is turned away was never run.
    what: 'turned away: the object is overloaded',
    is: ({ overloaded }) => overloaded,
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // The same page: a limit on how quickly stubs are made. It says so without `.overloaded`.
    what: 'turned away: the account is too busy',
    is: ({ message }) => /generating too much load/.test(message),
    means: 'nothing-done',
    mayTryAgain: false,
  },
  {
    // The object was not found, so nothing was sent to it.
    what: 'the object cannot be found at the moment',
    is: ({ message }) => /cannot resolve durable object/i.test(message),
    means: 'nothing-done',
    mayTryAgain: true,
  },
  {
    // jsg/util.c++: any DISCONNECTED error that is not a JavaScript error of its own is `Network connection lost.`; so are
    // `Durable Object reset because its code was updated.` and `Connection closed: this Durable Object instance is no longer active.`
    what: 'the connection was lost',
    is: ({ retryable }) => retryable,
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // The old instance may no longer use its storage: it is thrown at the next use, or out of a commit that is under way.
    what: 'the instance was replaced',
    is: ({ message }) => /no longer access(ible| storage)|moved to a different machine/.test(message),
    means: 'unknown',
    mayTryAgain: true,
  },
  {
    // io/worker-entrypoint.c++, exceptionToPropagate: an error of the platform, which hides what it is. It may come after the commit.
    what: 'an internal error of the platform',
    is: ({ message }) => message.startsWith('internal error'),
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // api/worker-rpc.c++: the call ran, and what it returned could not be sent.
    what: 'the answer could not be sent',
    is: ({ name, remote }) => name === 'DataCloneError' && remote,
    means: 'unknown',
    mayTryAgain: false,
  },
  {
    // The same of the arguments: they never left.
    what: 'the call could not be sent',
    is: ({ name }) => name === 'DataCloneError',
    means: 'refused-for-good',
    mayTryAgain: false,
  },
  {
    // What `execute` throws, it throws before its commit, or it rolls it back: after it there is nothing that throws (aggregate-object.ts).
    what: 'the object’s own code threw',
    is: ({ remote }) => remote,
    means: 'refused-for-good',
    mayTryAgain: false,
  },
  {
    // What is not known proves nothing.
    what: 'anything else',
    is: () => true,
    means: 'unknown',
    mayTryAgain: false,
  },
];

/** What an error of a call to an object says about that call. */
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
