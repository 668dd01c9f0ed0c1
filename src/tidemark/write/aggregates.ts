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

/** Every aggregate of the system, wherever it lives. Command handlers, catch-ups and reads of the write side depend on this port. */
export interface Aggregates {
  /**
   * Throws `OverloadedError`, `StorageUnavailableError` or `CodeTooOldError` when nothing was done, and `OutcomeUnknownError` when the command
   * may have been applied, or may yet be.
   */
  readonly execute: (request: ExecuteRequest) => Promise<ExecuteResult>;
  /** What a key has done; undefined when it has done nothing that is remembered. It reads and changes nothing. */
  readonly replay: (request: ReplayRequest) => Promise<ExecuteResult | undefined>;
  readonly load: (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;
  /** 0 when the stream does not exist. */
  readonly currentVersion: (stream: StreamId) => Promise<number>;
  /** The folded state now, or as it was; undefined when there was nothing (yet). Throws `CodeTooOldError` where no code at hand can fold it. */
  readonly state: (stream: StreamId, asOf?: AsOf) => Promise<AggregateState | undefined>;
}

/** The remote methods of an aggregate's object. Plain data in and out. */
export interface AggregateRpc {
  execute(request: ExecuteRequest): Promise<ExecuteAnswer>;
  /** Optional: an object that runs the code of a former Worker does not have it. */
  replay?(request: ReplayRequest): Promise<ExecuteResult | undefined>;
  load(fromVersion: number, limit: number): Promise<LogPage>;
  currentVersion(): Promise<number>;
  state(stream: StreamId, asOf: AsOf | undefined): Promise<AggregateState | CodeTooOld | undefined>;
}

/** Reaches a stream's object; a new one each call, since a stub whose connection broke stays broken. */
export type StubOf = (stream: StreamId) => AggregateRpc;

export interface DurableAggregatesOptions {
  /** How long an answer may take, in ms; past it a command's outcome is unknown. */
  readonly timeoutMs?: number;
  /** How often a read is tried again after a fault that says it may be. */
  readonly readRetries?: number;
}

/** A command is sent at most this often. */
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
        // A read does nothing, so there is nothing unknown about it.
        throw faultOf(stream, judgement, error, UnansweredError);
      }
    }
  }

  return {
    async execute(request) {
      const { stream, idempotency } = request;
      // What became of the first try, where it may have been applied, or may yet be. A later one that was not carried out knows nothing of it (I4).
      let lost: Error | undefined;
      for (let tries = 1; ; tries += 1) {
        let answer: ExecuteAnswer;
        try {
          answer = await withTimeout(stubOf(stream).execute(request), timeoutMs);
        } catch (error) {
          const judgement = judge(error);
          const fault = faultOf(stream, judgement, error, OutcomeUnknownError);
          if (judgement.means === 'unknown') lost ??= fault;
          // With a key a second try cannot append twice, so the client is spared a fault that passes (a deploy, a lost connection).
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
        // While a deployment is under way, the object may run the code of the former Worker: `execute` then finds the key.
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

/** Whether this answer to a second try holds for the first one too, which may not have been carried out yet. */
function settles(answer: ExecuteAnswer, { expectedVersion = 0 }: ExecuteRequest): boolean {
  switch (answer.outcome) {
    case 'applied':
    case 'key-reused':
      return true;
    case 'version-mismatch':
      // A log never comes back to a version that it is past. One that it has not reached, it may reach.
      return answer.currentVersion > expectedVersion;
    case 'rejected':
    case 'token-ahead':
    case 'code-too-old':
      return false;
    default:
      return answer satisfies never;
  }
}

/** What a call fails with; with `Unknown` where the object may have run it. */
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
