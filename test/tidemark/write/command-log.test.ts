import { describe, expect, it } from 'vitest';

import {
  CodeTooOldError,
  OutcomeUnknownError,
  OverloadedError,
  StorageUnavailableError,
} from '../../../src/tidemark/platform/faults.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import { type CommandContext, type Executed, createCommandBus } from '../../../src/tidemark/write/command-bus.ts';
import { reportingBus } from '../../../src/tidemark/write/command-log.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';

const context: CommandContext = {
  commandId: 'command-1',
  correlationId: 'checkout-1',
  causationId: 'request-1',
  principal: { kind: 'user', id: 'ada' },
  idempotency: { key: 'secret-key', fingerprint: 'secret-print' },
  seen: () => ({ version: 0 }),
};
const stream = 'seat-1' as StreamId;

/** Sends a command. Its handler ends in this way after 25 ms. Returns the log lines. */
async function linesOf(
  outcome: { readonly is: unknown } | { readonly throws: Error },
): Promise<readonly (readonly [string, object])[]> {
  const clock = manualClock();
  const lines: (readonly [string, object])[] = [];
  const inner = createCommandBus({
    async ReserveSeat() {
      clock.advance(25);
      if ('throws' in outcome) throw outcome.throws;
      return outcome.is;
    },
  });
  const bus = reportingBus(inner, clock, (event, details) => void lines.push([event, details]));
  const command = { type: 'ReserveSeat', data: { guest: 'Ada Lovelace' } } as const;
  await bus.dispatch(command, context).catch(() => undefined);
  return lines;
}

describe('a command', () => {
  it.each<[Executed, object]>([
    [
      { stream, outcome: 'applied', version: 2, replayed: false, state: { version: 2, state: { guest: 'Ada' } } },
      { outcome: 'applied', version: 2 },
    ],
    [
      { stream, outcome: 'applied', version: 2, replayed: true },
      { outcome: 'replayed', version: 2 },
    ],
    [
      { stream, outcome: 'rejected', version: 1, rejection: { code: 'seat-taken', message: 'Ada sits there.' } },
      { outcome: 'rejected', version: 1, code: 'seat-taken' },
    ],
    [
      { stream, outcome: 'version-mismatch', currentVersion: 4 },
      { outcome: 'version-mismatch', version: 4 },
    ],
    [
      { stream, outcome: 'token-ahead', seenVersion: 9, head: 4 },
      { outcome: 'token-ahead', version: 4 },
    ],
    [{ stream, outcome: 'key-reused' }, { outcome: 'key-reused' }],
  ])('that ends as %j writes one line with its outcome, and none of its content', async (result, line) => {
    const { outcome, ...more } = line as { outcome: string };
    expect(await linesOf({ is: result })).toEqual([
      [
        'command',
        {
          type: 'ReserveSeat',
          stream,
          outcome,
          ...more,
          durationMs: 25,
          actor: 'user:ada',
          correlationId: 'checkout-1',
          causationId: 'request-1',
        },
      ],
    ]);
  });

  it.each([
    [new OverloadedError('busy'), 'overloaded'],
    [new CodeTooOldError('of tomorrow'), 'code-too-old'],
    [new StorageUnavailableError('full'), 'storage-unavailable'],
    [new OutcomeUnknownError('gone'), 'outcome-unknown'],
    [new Error('Ada Lovelace is no number'), 'failed'],
  ])('that throws %s also writes a line, and still throws', async (error, outcome) => {
    const lines = await linesOf({ throws: error });
    expect(lines).toEqual([
      [
        'command',
        {
          type: 'ReserveSeat',
          outcome,
          durationMs: 25,
          actor: 'user:ada',
          correlationId: 'checkout-1',
          causationId: 'request-1',
        },
      ],
    ]);
    const inner = createCommandBus({
      async Fail() {
        throw error;
      },
    });
    const failing = reportingBus(inner, manualClock(), () => undefined);
    await expect(failing.dispatch({ type: 'Fail', data: {} } as never, context)).rejects.toBe(error);
  });

  it('whose handler returns any other value is logged as done', async () => {
    const [line] = await linesOf({ is: 7 });
    expect(line?.[1]).toMatchObject({ outcome: 'done' });
  });

  it('bus keeps the list of types', () => {
    const bus = createCommandBus({ One: async () => 1, Two: async () => 2 });
    expect(reportingBus(bus, manualClock(), () => undefined).types).toEqual(['One', 'Two']);
  });
});
