import { OutcomeUnknownError, OverloadedError, StorageUnavailableError, UnansweredError } from '../faults.ts';
import type { StreamId } from '../stream.ts';
import { withTimeout } from '../timeout.ts';
import type {
  AggregateState,
  AsOf,
  ExecuteAnswer,
  ExecuteRequest,
  ExecuteResult,
  LogPage,
  ReplayRequest,
} from './aggregate.ts';
import { type Meaning, isUnknownMethod, judge } from './runtime-errors.ts';

/** Every aggregate of the system, wherever it lives. Command handlers, catch-ups and reads of the write side depend on this port. */
export interface Aggregates {
  /**
   * Throws `OverloadedError` or `StorageUnavailableError` when nothing was done, and `OutcomeUnknownError` when the command may have been
   * applied.
   */
  readonly execute: (request: ExecuteRequest) => Promise<ExecuteResult>;
  /** What a key has done; undefined when it has done nothing that is remembered. It reads and changes nothing. */
  readonly replay: (request: ReplayRequest) => Promise<ExecuteResult | undefined>;
  readonly load: (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;
  /** 0 when the stream does not exist. */
  readonly currentVersion: (stream: StreamId) => Promise<number>;
  /** The folded state now, or as it was; undefined when there was nothing (yet). */
  readonly state: (stream: StreamId, asOf?: AsOf) => Promise<AggregateState | undefined>;
}

/** The remote methods of an aggregate's object. Plain data in and out. */
export interface AggregateRpc {
  execute(request: ExecuteRequest): Promise<ExecuteAnswer>;
  /** Optional: an object that runs the code of a former Worker does not have it. */
  replay?(request: ReplayRequest): Promise<ExecuteResult | undefined>;
  load(fromVersion: number, limit: number): Promise<LogPage>;
  currentVersion(): Promise<number>;
  state(stream: StreamId, asOf: AsOf | undefined): Promise<AggregateState | undefined>;
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
        const { means, mayTryAgain } = judge(error);
        if (mayTryAgain && retries < readRetries) continue;
        // A read does nothing, so there is nothing unknown about it.
        throw means === 'unknown'
          ? new UnansweredError(describe(stream, error), { cause: error })
          : faultOf(means, stream, error);
      }
    }
  }

  return {
    async execute(request) {
      const { stream, idempotency } = request;
      // What a second try that was turned away says of itself it does not say of the first, which may have been applied (I4).
      let mayBeApplied = false;
      for (let tries = 1; ; tries += 1) {
        let answer: ExecuteAnswer;
        try {
          answer = await withTimeout(stubOf(stream).execute(request), timeoutMs);
        } catch (error) {
          const { means, mayTryAgain } = judge(error);
          mayBeApplied ||= means === 'unknown';
          // With a key a second try cannot append twice, so the client is spared a fault that passes (a deploy, a lost connection).
          const isSafe = idempotency !== undefined || !mayBeApplied;
          if (mayTryAgain && isSafe && tries < MAX_TRIES) continue;
          throw mayBeApplied || means === 'unknown'
            ? new OutcomeUnknownError(describe(stream, error), { cause: error })
            : faultOf(means, stream, error);
        }
        if (answer.outcome !== 'code-too-old') return answer;
        const reason = `${stream} runs code that does not know ${request.command.type}, or what it has recorded`;
        throw mayBeApplied ? new OutcomeUnknownError(reason) : new OverloadedError(reason);
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
    state: (stream, asOf) => read(stream, (stub) => stub.state(stream, asOf)),
  };
}

/** What a call that was not carried out fails with. */
function faultOf(means: Exclude<Meaning, 'unknown'>, stream: StreamId, error: unknown): unknown {
  switch (means) {
    case 'nothing-done':
    case 'passing':
      return new OverloadedError(describe(stream, error), { cause: error });
    case 'storage-unavailable':
      return new StorageUnavailableError(describe(stream, error), { cause: error });
    case 'refused-for-good':
      return error;
    default:
      return means satisfies never;
  }
}

function describe(stream: StreamId, error: unknown): string {
  return `no answer from ${stream}: ${String(error)}`;
}
