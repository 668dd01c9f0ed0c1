import { OutcomeUnknownError, OverloadedError } from '../faults.ts';
import type { StreamId } from '../stream.ts';
import { TimeoutError, withTimeout } from '../timeout.ts';
import type { AggregateState, AsOf, ExecuteAnswer, ExecuteRequest, ExecuteResult, LogPage } from './aggregate.ts';

/** Every aggregate of the system, wherever it lives. Command handlers, catch-ups and reads of the write side depend on this port. */
export interface Aggregates {
  /** Throws `OverloadedError` when nothing was done, `OutcomeUnknownError` when nobody can say. */
  readonly execute: (request: ExecuteRequest) => Promise<ExecuteResult>;
  readonly load: (stream: StreamId, fromVersion: number, limit: number) => Promise<LogPage>;
  /** 0 when the stream does not exist. */
  readonly currentVersion: (stream: StreamId) => Promise<number>;
  /** The folded state now, or as it was; undefined when there was nothing (yet). */
  readonly state: (stream: StreamId, asOf?: AsOf) => Promise<AggregateState | undefined>;
}

/** The remote methods of an aggregate's object. Plain data in and out. */
export interface AggregateRpc {
  execute(request: ExecuteRequest): Promise<ExecuteAnswer>;
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

/** The aggregates in Durable Objects. */
export function durableAggregates(stubOf: StubOf, options: DurableAggregatesOptions = {}): Aggregates {
  const { timeoutMs = 15_000, readRetries = 2 } = options;

  async function read<Value>(stream: StreamId, call: (stub: AggregateRpc) => Promise<Value>): Promise<Value> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await withTimeout(call(stubOf(stream)), timeoutMs);
      } catch (error) {
        if (isOverloaded(error)) throw new OverloadedError(`${stream} is overloaded`, { cause: error });
        if (!isRetryable(error) || retries >= readRetries) throw error;
      }
    }
  }

  return {
    async execute(request) {
      // With a key a second try cannot append twice, so the client is spared a fault that passes (a deploy, a lost connection).
      const maxTries = request.idempotency ? 2 : 1;
      for (let tries = 1; ; tries += 1) {
        // What a second try that was turned away says of itself it does not say of the first, which may have been applied (I4).
        const isFirst = tries === 1;
        let answer: ExecuteAnswer;
        try {
          answer = await withTimeout(stubOf(request.stream).execute(request), timeoutMs);
        } catch (error) {
          if (isFirst && isOverloaded(error))
            throw new OverloadedError(`${request.stream} is overloaded`, { cause: error });
          if (isFirst && isThrownByObject(error)) throw error;
          if (!isRetryable(error) || tries >= maxTries)
            throw new OutcomeUnknownError(`no answer from ${request.stream}`, { cause: error });
          continue;
        }
        if (answer.outcome !== 'code-too-old') return answer;
        const reason = `${request.stream} runs code that does not know ${request.command.type}, or what it has recorded`;
        throw isFirst ? new OverloadedError(reason) : new OutcomeUnknownError(reason);
      }
    },
    load: (stream, fromVersion, limit) => read(stream, (stub) => stub.load(fromVersion, limit)),
    currentVersion: (stream) => read(stream, (stub) => stub.currentVersion()),
    state: (stream, asOf) => read(stream, (stub) => stub.state(stream, asOf)),
  };
}

// The properties that the platform puts on the errors of a stub:
// https://developers.cloudflare.com/durable-objects/best-practices/error-handling/

function isOverloaded(error: unknown): boolean {
  return (error as { overloaded?: boolean }).overloaded === true;
}

function isRetryable(error: unknown): boolean {
  return error instanceof TimeoutError || (error as { retryable?: boolean }).retryable === true;
}

/** The object's own code threw before it committed anything (a bug), as against the platform losing it. */
function isThrownByObject(error: unknown): boolean {
  const { remote, retryable } = error as { remote?: boolean; retryable?: boolean };
  return remote === true && retryable !== true;
}
