import { describe, expect, expectTypeOf, test } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { inMemorySystem } from '../../../src/tidemark/testing/in-memory-event-store.ts';
import { START_MS } from '../../../src/tidemark/testing/manual-clock.ts';
import { project } from '../../../src/tidemark/testing/projection-harness.ts';
import type { Executed } from '../../../src/tidemark/write/command-bus.ts';
import { SEAT, evening, seatMap, seatType, seats } from '../seats.ts';

const seat12 = streamId(SEAT, '12');

describe('a system in memory', () => {
  test('runs commands and records their events', async () => {
    const memory = inMemorySystem([seats]);
    const result = await memory.bus.dispatch(
      { type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } },
      memory.context({ principal: { kind: 'user', id: 'usher' }, correlationId: 'an-evening-out' }),
    );
    expect(result).toMatchObject({ outcome: 'applied', version: 1, replayed: false, stream: seat12 });

    const { events, head, previousId } = await memory.aggregates.load(seat12, 1, 100);
    expect({ head, previousId }).toEqual({ head: 1, previousId: null });
    expect(events).toMatchObject([
      {
        stream: seat12,
        version: 1,
        type: 'SeatReserved',
        schemaVersion: 3,
        data: { guest: 'Ada', isVip: false },
        metadata: { actor: 'user:usher', correlationId: 'an-evening-out' },
        recordedAt: '2026-01-01T00:00:00.000Z',
      },
    ]);
    expect(await memory.aggregates.currentVersion(seat12)).toBe(1);
    expect(await memory.aggregates.state(seat12)).toMatchObject({
      version: 1,
      state: { status: 'reserved', guest: 'Ada' },
    });
  });

  test('publishes a hint for each command to the groups that follow the stream', async () => {
    const memory = inMemorySystem([seats]);
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } }, memory.context());
    await memory.bus.dispatch({ type: 'TurnOver', data: { seatId: '12', guest: 'Bob' } }, memory.context());
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Cleo' } }, memory.context());
    expect(memory.published.map(({ group, hint }) => [group, hint.stream, hint.fromVersion, hint.toVersion])).toEqual([
      [evening, seat12, 1, 1],
      [evening, seat12, 2, 4],
    ]);
    expect(memory.published[1]?.hint.previousId).toBe(memory.events[0]?.id);
  });

  test('keeps every event in the sequence of recording, for projections to fold', async () => {
    const memory = inMemorySystem([seats]);
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } }, memory.context());
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '14', guest: 'Bob' } }, memory.context());
    await memory.bus.dispatch({ type: 'ReleaseSeat', data: { seatId: '12' } }, memory.context());
    expect(memory.events.map(({ stream, version }) => `${stream}@${version}`)).toEqual([
      'seat-12@1',
      'seat-14@1',
      'seat-12@2',
    ]);
    expect(project(seatMap).stored(memory.events).row(seatType, '12')).toMatchObject({ version: 2, guest: null });
  });

  test('runs concurrent commands, one at a time for each stream', async () => {
    const memory = inMemorySystem([seats]);
    const results = await Promise.all(
      ['Ada', 'Bob', 'Cleo'].map((guest) =>
        memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest } }, memory.context()),
      ),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'rejected', 'rejected']);
    expect(memory.events).toHaveLength(1);
  });

  test('starts cold after an eviction, and continues from the stored events', async () => {
    let folded = 0;
    const evolve: typeof seatType.decider.evolve = (seat, event) => {
      folded += 1;
      return seatType.decider.evolve(seat, event);
    };
    const memory = inMemorySystem([{ ...seats, aggregate: { ...seatType, decider: { ...seatType.decider, evolve } } }]);
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } }, memory.context());
    folded = 0;
    memory.evict();
    const refused = await memory.bus.dispatch(
      { type: 'ReserveSeat', data: { seatId: '12', guest: 'Bob' } },
      memory.context(),
    );
    expect(refused).toMatchObject({
      outcome: 'rejected',
      rejection: { code: 'seat-taken', details: { guest: 'Ada' } },
      version: 1,
    });
    expect(folded).toBe(1);
  });

  test('has the time that the test sets', async () => {
    const memory = inMemorySystem([seats]);
    memory.clock.set(START_MS + 60_000);
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest: 'Ada' } }, memory.context());
    expect(memory.events[0]?.recordedAt).toBe('2026-01-01T00:01:00.000Z');
  });

  test('gives the same ids and times in every run', async () => {
    async function run() {
      const memory = inMemorySystem([seats]);
      await memory.bus.dispatch({ type: 'TurnOver', data: { seatId: '12', guest: 'Ada' } }, memory.context());
      return memory.events;
    }
    expect(await run()).toEqual(await run());
  });

  test('passes only plain data, as RPC does', async () => {
    const memory = inMemorySystem([seats]);
    const guest = (() => 'Ada') as unknown as string;
    await expect(
      memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12', guest } }, memory.context()),
    ).rejects.toThrow();
    expect(memory.events).toEqual([]);
  });

  test('knows the commands of its modules and their results at compile time', async () => {
    const memory = inMemorySystem([seats]);
    expectTypeOf(
      memory.bus.dispatch({ type: 'ReleaseSeat', data: { seatId: '12' } }, memory.context()),
    ).resolves.toEqualTypeOf<Executed>();
    // @ts-expect-error -- no module has this command
    await expect(memory.bus.dispatch({ type: 'PaintSeat', data: {} }, memory.context())).rejects.toThrow('"PaintSeat"');
    // @ts-expect-error -- `guest` is missing
    await memory.bus.dispatch({ type: 'ReserveSeat', data: { seatId: '12' } }, memory.context());
  });
});
