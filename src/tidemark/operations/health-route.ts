import { accessComplaints, refusalsOf } from '../access/access-settings.ts';
import { projectionComplaints } from '../monitoring/health.ts';
import type { Route } from '../http/route.ts';
import { isForThisMachine } from '../http/this-machine.ts';
import { assetComplaints } from '../runtime/assets.ts';
import { formerFormatComplaints } from '../runtime/former-formats.ts';
import { tokenComplaints } from '../runtime/token-settings.ts';

/** Reports what an operator has to repair. It is cheap, and open to every client, so it reveals no data. */
export const healthRoute: Route = {
  method: 'GET',
  path: '/health',
  operation: {
    id: 'getHealth',
    access: 'open',
    problems: [],
  },
  handlers: [
    async (c) => {
      const reasons = [
        ...refusalsOf(c.env, isForThisMachine(c.req.raw)),
        ...tokenComplaints(c.env),
        ...accessComplaints(c.env),
        ...assetComplaints(c.env),
        ...formerFormatComplaints(c.env),
        ...(await projectionComplaints(c.var.runtime)),
      ];
      const distinct = [...new Set(reasons)];
      return c.json({ status: distinct.length === 0 ? 'ok' : 'degraded', reasons: distinct });
    },
  ],
};
