import { sweepStep } from '../catch-up/sweep.ts';
import type { Route } from '../http/route.ts';
import { OPERATES } from './operations-access.ts';

/** Runs a step of the sweep at once, without waiting for the cron trigger. */
export const sweepRoute: Route = {
  method: 'POST',
  path: '/sweep',
  operation: { id: 'sweep', access: OPERATES, problems: [] },
  handlers: [
    async (c) => {
      return c.json(await sweepStep(c.var.runtime));
    },
  ],
};
