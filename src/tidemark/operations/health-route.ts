import * as z from 'zod/mini';

import { accessComplaints, refusalsOf } from '../access/access-settings.ts';
import { projectionComplaints } from '../monitoring/health.ts';
import type { Route } from '../http/route.ts';
import { isForThisMachine } from '../http/this-machine.ts';
import { named } from '../http/schemas.ts';
import { formerFormatComplaints } from '../runtime/former-formats.ts';
import { tokenComplaints } from '../runtime/token-settings.ts';

/** Reports what an operator has to repair. It is cheap, and open to every client, so it reveals no data. */
export const healthRoute: Route = {
  method: 'GET',
  path: '/health',
  operation: {
    id: 'getHealth',
    summary: 'Check the deployment and its projections',
    description:
      'Always 200. `degraded` has a reason for each thing that an operator has to repair: a secret that is missing or too short, a database that does not answer within 2 s, open dead letters, a failed build, a projection that is not live or whose live revision this Worker has no code for.',
    tag: 'operations',
    access: 'open',
    requestHeaders: [],
    answers: {
      200: {
        description: '`reasons` name each fault and its remedy. Empty when nothing is wrong.',
        schema: named('Health', z.strictObject({ status: z.enum(['ok', 'degraded']), reasons: z.array(z.string()) })),
        example: { status: 'ok', reasons: [] },
      },
    },
    problems: [],
  },
  handlers: [
    async (c) => {
      const reasons = [
        ...refusalsOf(c.env, isForThisMachine(c.req.raw)),
        ...tokenComplaints(c.env),
        ...accessComplaints(c.env),
        ...formerFormatComplaints(c.env),
        ...(await projectionComplaints(c.var.runtime)),
      ];
      const distinct = [...new Set(reasons)];
      return c.json({ status: distinct.length === 0 ? 'ok' : 'degraded', reasons: distinct });
    },
  ],
};
