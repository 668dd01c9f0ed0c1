import {
  CodeTooOldError,
  OutcomeUnknownError,
  OverloadedError,
  StorageUnavailableError,
  UnansweredError,
} from '../platform/faults.ts';
import type { StreamId } from '../domain/stream.ts';
import { withTimeout } from '../platform/timeout.ts';
import type {
  AggregateState,
  AsOf,
  CodeTooOld,
  ExecuteAnswer,
  ExecuteRequest,
  ExecuteResult,
  LogPage,
  ReplayRequest,
} from './aggregate.ts';
import { type Judgement, isUnknownMethod, judge } from './runtime-errors.ts';

/** Every aggregate of the system. Command handlers, catch-ups and reads of the write side depend on this port. */
export interface Aggregates {
  /**
   * Throws `OverloadedError`, `StorageUnavailableError` or `CodeTooOldError` if nothing was done. Throws `OutcomeUnknownError` if the command may
   * have been applied, or may yet be applied.
   */
  readonly execute: (request: ExecuteRequest) => Promise<ExecuteResult>;
  /** The outcome of a key. Undefined if no outcome is remembered. It changes nothing. */
  readonly replay: (request: ReplayRequest) => Promise<ExecuteResult | undefined>;
  readonly load: (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;
  /** 0 when the stream does not exist. */
  readonly currentVersion: (stream: StreamId) => Promise<number>;
  /**
   * The folded state now, or at a moment in the past. Undefined if the stream had no events by then. Throws `CodeTooOldError` if the object's code
   * cannot fold it.
   */
  readonly state: (stream: StreamId, asOf?: AsOf) => Promise<AggregateState | undefined>;
}

/** The remote methods of an aggregate's object. They take and return plain data. */
export interface AggregateRpc {
  execute(request: ExecuteRequest): Promise<ExecuteAnswer>;
  /** Like `execute`, for a request with `customerId`. Optional: an object with the code of a former Worker does not have it. */
  executeOwned?(request: ExecuteRequest): Promise<ExecuteAnswer>;
  /** Optional: an object with the code of a former Worker does not have it. */
  replay?(request: ReplayRequest): Promise<ExecuteResult | undefined>;
  load(fromVersion: number, limit: number): Promise<LogPage>;
  currentVersion(): Promise<number>;
  state(stream: StreamId, asOf: AsOf | undefined): Promise<AggregateState | CodeTooOld | undefined>;
}

/** Returns a stub of a stream's object. Each call makes a new one, since a stub stays broken after its connection broke. */
export type StubOf = (stream: StreamId) => AggregateRpc;

export interface DurableAggregatesOptions {
  /** How long an answer may take, in ms. Without an answer by then, a command's outcome is unknown. */
  readonly timeoutMs?: number;
  /** How often a read is tried again after a fault that permits it. */
  readonly readRetries?: number;
}

/** How often a command is sent at most. */
const MAX_TRIES = 2;

/** The aggregates in Durable Objects. */
export function durableAggregates(stubOf: StubOf, options: DurableAggregatesOptions = {}): Aggregates {
  const { timeoutMs = 15_000, readRetries = 2 } = options;

  async function read<Value>(stream: StreamId, call: (stub: AggregateRpc) => Promise<Value>): Promise<Value> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await withTimeout(call(stubOf(stream)), timeoutMs);
      } catch (error) {
        const judgement = judge(error);
        if (judgement.mayTryAgain && retries < readRetries) continue;
        // A read changes nothing, so it has no unknown outcome.
        throw faultOf(stream, judgement, error, UnansweredError);
      }
    }
  }

  return {
    async execute(request) {
      const { stream, idempotency } = request;
      // The fault of the first try that may have been applied, or may yet be. A later try that was not run tells nothing about that one (I4).
      let lost: Error | undefined;
      for (let tries = 1; ; tries += 1) {
        let answer: ExecuteAnswer;
        try {
          answer = await withTimeout(send(stubOf(stream), request), timeoutMs);
        } catch (error) {
          if (isUnknownMethod(error)) throw tooOld(stream, { outcome: 'code-too-old', reason: NO_OWNERS });
          const judgement = judge(error);
          const fault = faultOf(stream, judgement, error, OutcomeUnknownError);
          if (judgement.means === 'unknown') lost ??= fault;
          // With a key, a second try cannot append twice. So the client is spared a passing fault, such as a deploy or a lost connection.
          const isSafe = idempotency !== undefined || lost === undefined;
          if (judgement.mayTryAgain && isSafe && tries < MAX_TRIES) continue;
          throw lost ?? fault;
        }
        if (lost !== undefined && !settles(answer, request)) throw lost;
        if (answer.outcome === 'code-too-old') throw tooOld(stream, answer);
        return answer;
      }
    },
    async replay(request) {
      try {
        return await read(request.stream, async (stub) => stub.replay?.(request));
      } catch (error) {
        // During a deployment the object can have the code of the former Worker. `execute` then finds the key.
        if (isUnknownMethod(error)) return undefined;
        throw error;
      }
    },
    load: (stream, fromVersion, limit) => read(stream, (stub) => stub.load(fromVersion, limit)),
    currentVersion: (stream) => read(stream, (stub) => stub.currentVersion()),
    async state(stream, asOf) {
      const answer = await read(stream, (stub) => stub.state(stream, asOf));
      if (answer && 'outcome' in answer) throw tooOld(stream, answer);
      return answer;
    },
  };
}

const NO_OWNERS = 'it does not know to whom an aggregate belongs';

/** An object with the code of a former Worker would run the command for every sender, so it must not get a request that only one customer may send. */
function send(stub: AggregateRpc, request: ExecuteRequest): Promise<ExecuteAnswer> {
  if (request.customerId === undefined) return stub.execute(request);
  if (!stub.executeOwned) return Promise.resolve({ outcome: 'code-too-old', reason: NO_OWNERS });
  return stub.executeOwned(request);
}

/** Whether this answer to a second try also holds for the first one, which may not have run yet. */
function settles(answer: ExecuteAnswer, { expectedVersion = 0 }: ExecuteRequest): boolean {
  switch (answer.outcome) {
    case 'applied':
    case 'key-reused':
      return true;
    case 'version-mismatch':
      // A log never returns to an earlier version, but it may still reach a later one.
      return answer.currentVersion > expectedVersion;
    case 'rejected':
    case 'token-ahead':
    case 'code-too-old':
      return false;
    default:
      return answer satisfies never;
  }
}

/** The error to throw for a failed call. It is an `Unknown` if the object may have run the call. */
function faultOf(
  stream: StreamId,
  { what, means }: Judgement,
  error: unknown,
  Unknown: typeof OutcomeUnknownError | typeof UnansweredError,
): Error {
  const message = `a call to ${stream} failed (${what}): ${String(error)}`;
  switch (means) {
    case 'unknown':
      return new Unknown(message, { cause: error });
    case 'nothing-done':
      return new OverloadedError(message, { cause: error });
    case 'storage-unavailable':
      return new StorageUnavailableError(message, { cause: error });
    case 'refused-for-good':
      return error as Error;
    default:
      return means satisfies never;
  }
}

function tooOld(stream: StreamId, { reason = 'it does not know the command or a recorded event' }: CodeTooOld) {
  return new CodeTooOldError(`the code of ${stream} is too old: ${reason}`);
}
