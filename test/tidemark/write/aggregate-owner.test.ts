import { describe, expect, it } from 'vitest';

import type { IdempotencyMark } from '../../../src/tidemark/domain/event.ts';
import type { Principal } from '../../../src/tidemark/domain/principal.ts';
import type { ExecuteRequest } from '../../../src/tidemark/write/aggregate.ts';
import { seatType } from '../seats.ts';
import { applied, release, replayed, requestOf, reserve, seatAggregate, turnOver } from './seat-aggregate.ts';

/** Seats that belong to the guest who sits there, as an order belongs to its customer. */
const owned: typeof seatType = { ...seatType, owner: (seat) => (seat.status === 'reserved' ? seat.guest : null) };

const as = (customerId: string, more: Partial<ExecuteRequest> = {}) => ({ customerId, ...more });
const mark: IdempotencyMark = { key: 'k', fingerprint: 'f' };

function reservedByAda() {
  const seat = seatAggregate({ type: owned });
  seat.run(reserve('Ada'), { idempotency: mark });
  return seat;
}

describe('a command of a customer', () => {
  it('on its own aggregate is decided as any other', () => {
    const { run } = reservedByAda();
    expect(run(release, as('Ada'))).toEqual(applied(2));
  });

  it('on the aggregate of another customer gets what a stream without events would answer', () => {
    for (const more of [
      {},
      { expectedVersion: 1 },
      { expectedVersion: 9 },
      { seenVersion: 1 },
      { idempotency: mark },
      { idempotency: { ...mark, fingerprint: 'another' } },
      { returnState: true, returnEvents: true },
    ] satisfies readonly Partial<ExecuteRequest>[]) {
      const { run, all } = reservedByAda();
      const absent = seatAggregate({ type: owned });
      const { seenVersion: _, ...asked } = more as Partial<ExecuteRequest>;
      expect(run(release, as('Bob', more)), JSON.stringify(more)).toEqual(absent.run(release, as('Bob', asked)));
      expect(all()).toHaveLength(1);
    }
  });

  it('that would create what another customer has is refused as if it were not there', () => {
    const { run, all } = reservedByAda();
    expect(run(reserve('Bob'), as('Bob'))).toEqual({
      outcome: 'rejected',
      rejection: { code: 'not-found', message: 'There is no such seat.' },
      version: 0,
    });
    expect(all()).toHaveLength(1);
  });

  it('on what belongs to nobody, or to nobody that the type knows, is refused too', () => {
    const free = reservedByAda();
    free.run(release);
    expect(free.run(turnOver('Bob'), as('Bob'))).toMatchObject({ outcome: 'rejected', version: 0 });
    const unowned = seatAggregate();
    unowned.run(reserve('Ada'));
    expect(unowned.run(release, as('Ada'))).toMatchObject({ outcome: 'rejected', version: 0 });
  });

  it('is replayed for the customer to whom the aggregate belongs, and for no other', () => {
    const { run, aggregate } = reservedByAda();
    const again = { idempotency: mark };
    expect(run(reserve('Ada'), as('Ada', again))).toEqual(replayed(1));
    const { command: _, metadata: __, ...asked } = requestOf(reserve('Ada'), again);
    expect(aggregate.replay({ ...asked, customerId: 'Ada' })).toEqual(replayed(1));
    expect(aggregate.replay({ ...asked, customerId: 'Bob' })).toBeUndefined();
  });

  it('creates where nothing is', () => {
    const { run } = seatAggregate({ type: owned });
    expect(run(reserve('Ada'), as('Ada'))).toEqual(applied(1));
  });
});

describe('a decider', () => {
  it('gets to know who sends the command', () => {
    const senders: Principal[] = [];
    const { run } = seatAggregate({
      type: {
        ...owned,
        decider: {
          ...owned.decider,
          decide(command, seat, by) {
            senders.push(by);
            return owned.decider.decide(command, seat, by);
          },
        },
      },
    });
    const metadata = { commandId: 'c', correlationId: 'co', causationId: 'ca' };
    run(reserve('Ada'), { metadata: { ...metadata, actor: 'user:customers/7' }, customerId: 'Ada' });
    run(release, { metadata: { ...metadata, actor: 'key:0198' } });
    expect(senders).toEqual([
      { kind: 'user', id: 'customers/7', customerId: 'Ada' },
      { kind: 'key', id: '0198' },
    ]);
  });
});
