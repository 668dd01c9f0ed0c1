import { module } from '#tidemark';
import { seat } from './seat.ts';
import { seatMap } from './seat-map.ts';
import { seatRoutes } from './routes.ts';

/** The seats of a hall. */
export const seats = module({
  aggregate: seat,
  readModels: [seatMap],
  routes: seatRoutes,
  tags: { seats: 'Seats of a hall: added, reserved and released.' },
});
