import { describe, expect, test } from 'vitest';

import { inMemoryStorage } from '../../../src/tidemark/testing/in-memory-storage.ts';
import type { IdempotencyMark } from '../../../src/tidemark/domain/event.ts';
import { isRejection } from '../../../src/tidemark/domain/decider.ts';
import { seatType } from '../seats.ts';
import { applied, release, replayed, reserve, seat12, seatAggregate, turnOver } from './seat-aggregate.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const mark = (key: string, fingerprint = 'a body'): { idempotency: IdempotencyMark } => ({
  idempotency: { key, fingerprint },
});

describe('a command with a key that was already applied', () => {
  test('returns the first outcome and appends nothing (I3)', () => {
    const { run, all, armed } = seatAggregate();
    run(reserve('Ada'), mark('k1'));
    expect(run(turnOver('Bob'), mark('k2'))).toEqual(applied(4));
    run(release, mark('k3'));
    expect(run(turnOver('Bob'), mark('k2'))).toEqual(replayed(4));
    expect(all()).toHaveLength(5);
    expect(armed).toHaveLength(3);
  });

  test('returns the first outcome, even if the domain would refuse it now or it expects another version', () => {
    const { run } = seatAggregate();
    run(reserve('Ada'));
    run(release, mark('k'));
    expect(run(release, mark('k'))).toEqual(replayed(2));
    expect(run(release, { ...mark('k'), expectedVersion: 1 })).toEqual(replayed(2));
  });

  test('returns the state right after the first run', () => {
    const { run } = seatAggregate();
    run(reserve('Ada'), mark('k1'));
    run(turnOver('Bob'), mark('k2'));
    run(release);
    expect(run(reserve('Ada'), { ...mark('k1'), returnState: true })).toMatchObject({
      ...replayed(1),
      state: { version: 1, state: { status: 'reserved', guest: 'Ada' } },
    });
    expect(run(turnOver('Bob'), { ...mark('k2'), returnState: true })).toMatchObject({
      ...replayed(4),
      state: { version: 4, state: { status: 'reserved', guest: 'Bob' } },
    });
  });

  /** A seat with the events of this many commands, and those of one more command with a key. */
  function seatOfManyEvents(commands: number, snapshotEvery: number) {
    const { run } = seatAggregate({}, { snapshotEvery });
    run(reserve('Ada'), mark('first'));
    for (let times = 0; times < commands; times += 1) run(turnOver('Bob'));
    const version = 1 + 3 * commands + 3;
    expect(run(turnOver('Cleo'), mark('last'))).toEqual(applied(version));
    run(release);
    return { run, version };
  }

  test('returns no state if it would have to fold more than a thousand events', () => {
    const { run, version } = seatOfManyEvents(350, 10_000);
    expect(run(reserve('Ada'), { ...mark('first'), returnState: true })).toMatchObject({ state: { version: 1 } });
    expect(run(turnOver('Cleo'), { ...mark('last'), returnState: true })).toEqual(replayed(version));
  });

  test('returns the state of a long stream if a snapshot shortens the fold', () => {
    const { run, version } = seatOfManyEvents(350, 100);
    expect(run(turnOver('Cleo'), { ...mark('last'), returnState: true })).toMatchObject({
      ...replayed(version),
      state: { version, state: { status: 'reserved', guest: 'Cleo' } },
    });
  });

  test('refuses another body and appends nothing', () => {
    const { run, all } = seatAggregate();
    run(reserve('Ada'), mark('create'));
    run(release, mark('k'));
    expect(run(reserve('Bob'), mark('k', 'another body'))).toEqual({ outcome: 'key-reused' });
    expect(run(reserve('Bob'), mark('create', 'another body'))).toEqual({ outcome: 'key-reused' });
    expect(all()).toHaveLength(2);
  });

  test('survives an eviction', () => {
    const first = seatAggregate();
    first.run(reserve('Ada'), mark('create'));
    first.run(release, mark('k'));
    const { run } = seatAggregate({ storage: first.storage });
    expect(run(reserve('Ada'), mark('create'))).toEqual(replayed(1));
    expect(run(release, mark('k'))).toEqual(replayed(2));
    expect(run(release, mark('k', 'another body'))).toEqual({ outcome: 'key-reused' });
  });
});

describe('a command with a key that decided nothing', () => {
  /** Decides nothing for the release of a free seat, instead of refusing it. A decider may do so. */
  const lenient: typeof seatType = {
    ...seatType,
    decider: {
      ...seatType.decider,
      decide(command, seat, by) {
        const decided = seatType.decider.decide(command, seat, by);
        return isRejection(decided) ? [] : decided;
      },
    },
  };

  test('replays as having decided nothing, even if it would decide something now (I3)', () => {
    const { run, all, armed } = seatAggregate({ type: lenient });
    run(reserve('Ada'));
    run(release);
    expect(run(release, mark('k'))).toEqual(applied(2));
    run(reserve('Bob'));
    expect(run(release, { ...mark('k'), returnState: true })).toMatchObject({
      ...replayed(2),
      state: { version: 2, state: { status: 'free', reservations: 1 } },
    });
    expect(run(release, mark('k', 'another body'))).toEqual({ outcome: 'key-reused' });
    expect(all()).toHaveLength(3);
    expect(armed).toHaveLength(3);
  });

  test('is remembered for seven days, and survives an eviction', () => {
    const first = seatAggregate({ type: lenient });
    first.run(reserve('Ada'));
    first.run(release);
    first.run(release, mark('k'));
    first.run(reserve('Bob'));
    const { run, clock } = seatAggregate({ type: lenient, storage: first.storage });
    clock.advance(7 * DAY_MS - 1);
    expect(run(release, mark('k'))).toEqual(replayed(2));
    clock.advance(1);
    expect(run(release, mark('k'))).toEqual(applied(4));
  });

  test('stores nothing if the stream does not exist', () => {
    const storage = inMemoryStorage();
    const { run } = seatAggregate({ type: lenient, storage });
    expect(run(release, mark('k'))).toEqual({ outcome: 'applied', version: 0, replayed: false });
    expect(storage.head()).toBeUndefined();
    expect(storage.remembered('k', 0)).toBeUndefined();
  });
});

describe('the key of the command that created the stream', () => {
  test('never expires', () => {
    const { run, clock, all } = seatAggregate();
    run(turnOver('Ada'), mark('create'));
    run(release, mark('k'));
    clock.advance(3650 * DAY_MS);
    expect(run(turnOver('Ada'), mark('create'))).toEqual(replayed(2));
    expect(all()).toHaveLength(3);
  });

  test('is in the first event only', () => {
    const { run, all } = seatAggregate();
    run(turnOver('Ada'), mark('create'));
    run(release, mark('k'));
    expect(all().map(({ metadata }) => metadata.idempotency)).toEqual([
      { key: 'create', fingerprint: 'a body' },
      undefined,
      undefined,
    ]);
  });

  test('returns the version after that command, even if each page of the log holds one event', () => {
    const { run } = seatAggregate({ storage: inMemoryStorage({ pageLength: 1 }) });
    run(turnOver('Ada'), mark('create'));
    run(turnOver('Bob'));
    expect(run(turnOver('Ada'), mark('create'))).toEqual(replayed(2));
  });

  test('takes no row of its own', () => {
    const storage = inMemoryStorage();
    const { run } = seatAggregate({ storage });
    run(reserve('Ada'), mark('create'));
    expect(storage.remembered('create', 0)).toBeUndefined();
  });
});

describe('any other key', () => {
  test('expires after exactly seven days', () => {
    const { run, clock, all } = seatAggregate();
    run(reserve('Ada'));
    run(release, mark('k'));
    clock.advance(7 * DAY_MS - 1);
    expect(run(release, mark('k'))).toEqual(replayed(2));
    clock.advance(1);
    expect(run(reserve('Bob'), mark('k', 'another body'))).toEqual(applied(3));
    expect(all()).toHaveLength(3);
  });

  test('expires after the retention in the options', () => {
    const { run, clock } = seatAggregate({}, { idempotencyRetentionMs: 1_000 });
    run(reserve('Ada'));
    run(release, mark('k'));
    clock.advance(1_000);
    expect(run(release, mark('k'))).toMatchObject({ outcome: 'rejected' });
  });

  test('counts its days from the command, not from its replays', () => {
    const { run, clock } = seatAggregate();
    run(reserve('Ada'));
    run(release, mark('k'));
    clock.advance(6 * DAY_MS);
    run(release, mark('k'));
    clock.advance(DAY_MS);
    expect(run(release, mark('k'))).toMatchObject({ outcome: 'rejected' });
  });
});

describe('a command that was not applied', () => {
  test('leaves its key free after a refusal', () => {
    const { run } = seatAggregate();
    run(reserve('Ada'));
    expect(run(reserve('Bob'), mark('k'))).toMatchObject({ outcome: 'rejected' });
    run(release);
    expect(run(reserve('Bob'), mark('k'))).toEqual(applied(3));
  });

  test('leaves its key free, even for another body, after a refusal on a stream that does not exist', () => {
    const { run } = seatAggregate();
    expect(run(release, mark('k'))).toMatchObject({ outcome: 'rejected' });
    expect(run(reserve('Ada'), mark('k', 'another body'))).toEqual(applied(1));
  });

  test('leaves its key free after a version mismatch', () => {
    const { run } = seatAggregate();
    run(reserve('Ada'));
    expect(run(release, { ...mark('k'), expectedVersion: 9 })).toMatchObject({ outcome: 'version-mismatch' });
    expect(run(release, mark('k'))).toEqual(applied(2));
  });
});

describe('asking for the outcome of a key', () => {
  const ask = (key: string, fingerprint?: string) => ({ stream: seat12, ...mark(key, fingerprint) });

  test('returns it without the command, and changes nothing', () => {
    const { run, aggregate, all } = seatAggregate();
    run(reserve('Ada'), mark('create'));
    run(release, mark('k'));
    expect(aggregate.replay(ask('create'))).toEqual(replayed(1));
    expect(aggregate.replay(ask('k'))).toEqual(replayed(2));
    expect(aggregate.replay({ ...ask('create'), returnState: true })).toMatchObject({
      state: { version: 1, state: { status: 'reserved', guest: 'Ada' } },
    });
    expect(aggregate.replay(ask('k', 'another body'))).toEqual({ outcome: 'key-reused' });
    expect(all()).toHaveLength(2);
  });

  test('returns undefined for an unknown key and for a stream that does not exist', () => {
    const storage = inMemoryStorage();
    const { run, aggregate } = seatAggregate({ storage });
    expect(aggregate.replay(ask('k'))).toBeUndefined();
    expect(storage.head()).toBeUndefined();
    run(reserve('Ada'));
    expect(aggregate.replay(ask('k'))).toBeUndefined();
  });

  test('refuses a sender who has seen a later version than the log holds', () => {
    const { run, aggregate } = seatAggregate();
    run(reserve('Ada'), mark('create'));
    expect(aggregate.replay({ ...ask('create'), seenVersion: 2 })).toMatchObject({ outcome: 'token-ahead', head: 1 });
  });
});
