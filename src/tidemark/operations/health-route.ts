import * as z from 'zod/mini';

import { projectionComplaints } from '../monitoring/health.ts';
import type { Route } from '../http/route.ts';
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
      const { OPERATIONS_KEY, OPERATIONS_ACCESS } = c.env;
      const reasons = [
        ...tokenComplaints(c.env),
        ...formerFormatComplaints(c.env),
        ...(OPERATIONS_KEY || OPERATIONS_ACCESS === 'open' ? [] : [missing('OPERATIONS_KEY')]),
        ...(await projectionComplaints(c.var.runtime)),
      ];
      return c.json({ status: reasons.length === 0 ? 'ok' : 'degraded', reasons });
    },
  ],
};

function missing(secret: string): string {
  return `the secret ${secret} is not set: \`npx wrangler secret put ${secret}\``;
}
