import { describe, expect, expectTypeOf, test } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import type { ExecuteRequest } from '../../../src/tidemark/write/aggregate.ts';
import {
  type CommandContext,
  type CommandHandler,
  type Executed,
  UnknownCommandError,
  createCommandBus,
  executeRequest,
  sendTo,
} from '../../../src/tidemark/write/command-bus.ts';
import type { Command } from '../../../src/tidemark/domain/decider.ts';
import { SEAT, type ReleaseSeat, seatOf } from '../seats.ts';

type Greet = Command<'Greet', { name: string }>;
type Count = Command<'Count', { from: number }>;

const greet: CommandHandler<Greet, string> = async ({ data }) => `Hello, ${data.name}`;
const count: CommandHandler<Count, number> = async ({ data }, { principal }) => data.from + principal.id.length;

const context: CommandContext = {
  commandId: 'c',
  correlationId: 'co',
  causationId: 'ca',
  principal: { kind: 'user', id: 'usher' },
  seen: () => ({ version: 0 }),
};

describe('the command bus', () => {
  const bus = createCommandBus({ Greet: greet }, { Count: count });

  test('passes a command and its context to the handler of its type', async () => {
    expect(await bus.dispatch({ type: 'Greet', data: { name: 'Ada' } }, context)).toBe('Hello, Ada');
    expect(await bus.dispatch({ type: 'Count', data: { from: 1 } }, context)).toBe(6);
  });

  test('refuses a command without a handler, and names it and the known commands', async () => {
    const unknown = { type: 'Wave', data: {} } as unknown as Greet;
    await expect(bus.dispatch(unknown, context)).rejects.toThrow(UnknownCommandError);
    await expect(bus.dispatch(unknown, context)).rejects.toThrow(
      'there is no handler for the command "Wave". The commands are: Greet, Count',
    );
  });

  test.each(['toString', 'constructor', '__proto__'])('does not take %s for a command', async (type) => {
    await expect(bus.dispatch({ type, data: {} } as unknown as Greet, context)).rejects.toThrow(UnknownCommandError);
  });

  test('lists the types that it knows', () => {
    expect(bus.types).toEqual(['Greet', 'Count']);
  });

  test('refuses two handlers for one command', () => {
    expect(() => createCommandBus({ Greet: greet }, { Count: count, Greet: greet })).toThrow(
      'the command "Greet" has two handlers',
    );
  });

  test('passes on the error of a handler', async () => {
    const failing = createCommandBus({
      Greet: (async () => Promise.reject(new Error('no voice'))) satisfies CommandHandler<Greet>,
    });
    await expect(failing.dispatch({ type: 'Greet', data: { name: 'Ada' } }, context)).rejects.toThrow('no voice');
  });

  test('knows the results, data and types of its commands at compile time', async () => {
    expectTypeOf(bus.dispatch({ type: 'Greet', data: { name: 'Ada' } }, context)).resolves.toEqualTypeOf<string>();
    expectTypeOf(bus.dispatch({ type: 'Count', data: { from: 1 } }, context)).resolves.toEqualTypeOf<number>();
    // @ts-expect-error -- data of another command
    await bus.dispatch({ type: 'Greet', data: { from: 1 } }, context);
    // @ts-expect-error -- it has no handler
    await expect(bus.dispatch({ type: 'Wave', data: {} }, context)).rejects.toThrow('"Wave"');
  });
});

describe('a command for an aggregate', () => {
  const stream = streamId(SEAT, '12');
  const command: ReleaseSeat = { type: 'ReleaseSeat', data: { seatId: '12' } };
  const metadata = { commandId: 'c', correlationId: 'co', causationId: 'ca', actor: 'user:usher' };

  test('contains only what its context gives', () => {
    expect(executeRequest(stream, command, context)).toStrictEqual({ stream, command, metadata });
  });

  test('contains the expected version (also 0), the idempotency mark and the request for the state', () => {
    const idempotency = { key: 'k', fingerprint: 'f' };
    expect(
      executeRequest(stream, command, { ...context, expectedVersion: 0, idempotency, returnState: true }),
    ).toStrictEqual({
      stream,
      command,
      metadata,
      expectedVersion: 0,
      idempotency,
      returnState: true,
    });
  });

  test('is sent unchanged to the stream that it names, and its result has that stream', async () => {
    const requests: ExecuteRequest[] = [];
    const release = sendTo<ReleaseSeat>(
      {
        async execute(request) {
          requests.push(request);
          return { outcome: 'applied', version: 2, replayed: false };
        },
        replay: async () => undefined,
      },
      seatOf,
    );
    const result: Executed = await release(command, context);
    expect(result).toEqual({ outcome: 'applied', version: 2, replayed: false, stream });
    expect(requests).toEqual([{ stream, command, metadata }]);
  });
});
