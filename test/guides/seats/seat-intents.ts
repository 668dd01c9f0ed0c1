import { intentsOf } from '../../consistency/simulation/intents-of.ts';
import { seats } from './module.ts';

/** What clients do with seats in the simulation. */
export const seatIntents = intentsOf(seats, {
  AddSeat: (chance) => ({ place: `A${chance.below(20)}` }),
  ReserveSeat: (chance) => ({ guest: chance.pick(['Ada Lovelace', 'Grace Hopper']) }),
  ReleaseSeat: () => ({}),
});
