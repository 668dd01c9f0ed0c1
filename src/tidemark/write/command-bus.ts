import type { IdempotencyMark } from '../domain/event.ts';
import { type Principal, actorText } from '../domain/principal.ts';
import type { SeenOf } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { ExecuteRequest, ExecuteResult, ReplayRequest } from './aggregate.ts';
import type { Aggregates } from './aggregates.ts';
import type { Command } from '../domain/decider.ts';

/** The context of a command, the same for every transport. */
export interface CommandContext {
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly principal: Principal;
  readonly expectedVersion?: number;
  readonly idempotency?: IdempotencyMark;
  readonly returnState?: boolean;
  /** Whether the outcome must contain the events that the command appends. */
  readonly returnEvents?: boolean;
  /** Whether only the outcome of an earlier command with the same key is wanted. A handler then changes nothing. */
  readonly isReplayOnly?: boolean;
  /** What the sender has seen of a stream, from its causal token. A read for this command has to show it. */
  readonly seen: SeenOf;
}

/** Runs a command. */
export type CommandHandler<C extends Command = Command, Result = unknown> = (
  command: C,
  context: CommandContext,
) => Promise<Result>;

/** Handlers by command type. */
// oxlint-disable-next-line typescript/no-explicit-any -- existential: each handler takes a command type of its own
export type CommandHandlers = Readonly<Record<string, CommandHandler<any>>>;

type Union<T> = T extends readonly (infer Item)[] ? Item : never;
type Merged<T> = (T extends unknown ? (merged: T) => void : never) extends (
  merged: infer All extends CommandHandlers,
) => void
  ? All
  : never;

type CommandOf<Handler> = Handler extends CommandHandler<infer C> ? C : never;
type ResultOf<Handler> = Handler extends CommandHandler<never, infer Result> ? Result : never;

/** A typed registry from command type to handler. A command's type determines the type of its result. */
export interface CommandBus<Handlers> {
  readonly types: readonly string[];
  dispatch<Type extends string & keyof Handlers>(
    command: CommandOf<Handlers[Type]> & { readonly type: Type },
    context: CommandContext,
  ): Promise<ResultOf<Handlers[Type]>>;
}

/** The command has no handler. */
export class UnknownCommandError extends Error {
  override readonly name = 'UnknownCommandError';

  constructor(type: string, known: readonly string[]) {
    super(`there is no handler for the command "${type}". The commands are: ${known.join(', ')}`);
  }
}

/** Builds the bus from the modules' handlers. Throws if two handlers take the same command type. */
export function createCommandBus<const Sources extends readonly CommandHandlers[]>(
  ...sources: Sources
): CommandBus<Merged<Union<Sources>>> {
  const handlers = new Map<string, CommandHandler>();
  for (const [type, handler] of sources.flatMap((source) => Object.entries(source))) {
    if (handlers.has(type)) throw new Error(`the command "${type}" has two handlers`);
    handlers.set(type, handler as CommandHandler);
  }
  const types = [...handlers.keys()];
  return {
    types,
    async dispatch(command, context) {
      const handler = handlers.get(command.type);
      if (!handler) throw new UnknownCommandError(command.type, types);
      return (await handler(command, context)) as never;
    },
  };
}

/** The outcome of a command that one aggregate executed. `not-applied`: only the outcome of its key was wanted, and there is none. */
export type Executed = (ExecuteResult | { readonly outcome: 'not-applied' }) & { readonly stream: StreamId };

/** The handler that most commands need. It sends the command unchanged to the aggregate that `streamOf` names. */
export function sendTo<C extends Command>(
  aggregates: Pick<Aggregates, 'execute' | 'replay'>,
  streamOf: (command: C) => StreamId,
): CommandHandler<C, Executed> {
  return async (command, context) => {
    const stream = streamOf(command);
    if (context.isReplayOnly) return replayOnly(aggregates, stream, context);
    return { ...(await aggregates.execute(executeRequest(stream, command, context))), stream };
  };
}

/**
 * The outcome of a command whose key was applied before. Undefined: the handler has to run the command. A handler that reads other aggregates asks
 * this first, so a replay depends on none of them. It costs one more request to the object for commands with a key.
 */
export async function replayOf(
  aggregates: Pick<Aggregates, 'replay'>,
  stream: StreamId,
  context: CommandContext,
): Promise<Executed | undefined> {
  if (!context.idempotency) return undefined;
  const settled = await aggregates.replay(replayRequest(stream, context));
  return settled && { ...settled, stream };
}

/** The outcome of a command of which only the outcome of its key is wanted. */
export async function replayOnly(
  aggregates: Pick<Aggregates, 'replay'>,
  stream: StreamId,
  context: CommandContext,
): Promise<Executed> {
  return (await replayOf(aggregates, stream, context)) ?? { outcome: 'not-applied', stream };
}

function replayRequest(stream: StreamId, context: CommandContext): ReplayRequest {
  const { seen: seenOf, idempotency, returnState, principal } = context;
  const { customerId } = principal;
  const seen = seenOf(stream);
  return {
    stream,
    ...(seen !== 'unknown' && seen.version > 0 && { seenVersion: seen.version }),
    ...(seen !== 'unknown' && seen.fingerprint !== undefined && { seenFingerprint: seen.fingerprint }),
    ...(idempotency && { idempotency }),
    ...(customerId !== undefined && { customerId }),
    ...(returnState && { returnState }),
  };
}

/** A command and its context, in the form that the aggregate takes. */
export function executeRequest(stream: StreamId, command: Command, context: CommandContext): ExecuteRequest {
  const { commandId, correlationId, causationId, principal, expectedVersion, returnEvents } = context;
  return {
    ...replayRequest(stream, context),
    command,
    metadata: { commandId, correlationId, causationId, actor: actorText(principal) },
    ...(expectedVersion !== undefined && { expectedVersion }),
    ...(returnEvents && { returnEvents }),
  };
}
