import { describe, expect, it } from 'vitest';

import { given, project } from '#tidemark/testing';
import { get, json, post, withToken } from '../../support/api.ts';
import { seat } from './seat.ts';
import { seatMap } from './seat-map.ts';

const added = { type: 'SeatAdded', data: { place: 'A12' } } as const;
const reserved = { type: 'SeatReserved', data: { guest: 'Ada' } } as const;
const seatId = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

describe('a seat', () => {
  it('can be reserved while it is free', () => {
    given(seat, [added])
      .when({ type: 'ReserveSeat', data: { seatId, guest: 'Ada' } })
      .then([reserved])
      .thenState({ status: 'reserved', guest: 'Ada' });
  });

  it('refuses a second guest', () => {
    given(seat, [added, reserved])
      .when({ type: 'ReserveSeat', data: { seatId, guest: 'Bob' } })
      .thenRejected('seat-taken');
  });

  it('can be reserved again after its release', () => {
    given(seat, [added, reserved, { type: 'SeatReleased', data: {} }])
      .when({ type: 'ReserveSeat', data: { seatId, guest: 'Bob' } })
      .then([{ type: 'SeatReserved', data: { guest: 'Bob' } }]);
  });
});

describe('the seat map', () => {
  const projected = project(seatMap)
    .events(seat, 'a12', [added, reserved])
    .events(seat, 'a13', [{ type: 'SeatAdded', data: { place: 'A13' } }]);

  it('shows who sits where', () => {
    expect(projected.row(seat, 'a12')).toMatchObject({ place: 'A12', status: 'reserved', guest: 'Ada', version: 2 });
    expect(projected.row(seat, 'a13')).toMatchObject({ place: 'A13', status: 'free', guest: null, version: 1 });
  });

  it('is the same in any order of the streams', () => {
    projected.checkInterleavings();
  });
});

describe('the seats API', () => {
  it('shows a guest the reservation that they made', async () => {
    const seatAdded = await post('/seats', { place: 'B7' });
    expect(seatAdded.status).toBe(201);
    const path = seatAdded.headers.get('Location') ?? '';

    const reservation = await post(`${path}/reservation`, { guest: 'Ada' }, withToken(seatAdded));
    expect(reservation.status).toBe(200);
    expect(await json(get(path, withToken(reservation)))).toMatchObject({ place: 'B7', guest: 'Ada', version: 2 });
    expect(await json(get('/seats?status=reserved', withToken(reservation)))).toMatchObject({
      items: [{ place: 'B7' }],
      nextCursor: null,
    });
  });

  it('refuses the second guest with a problem', async () => {
    const path = (await post('/seats', { place: 'B8' })).headers.get('Location') ?? '';
    await post(`${path}/reservation`, { guest: 'Ada' });
    const refused = await post(`${path}/reservation`, { guest: 'Bob' });
    expect(refused.status).toBe(409);
    expect(await json(refused)).toMatchObject({ code: 'seat-taken' });
  });
});
