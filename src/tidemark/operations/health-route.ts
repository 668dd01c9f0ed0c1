import * as z from 'zod/mini';

import { projectionComplaints } from '../monitoring/health.ts';
import type { Route } from '../http/route.ts';
import { named } from '../http/schemas.ts';
import { tokenComplaints } from '../runtime/token-settings.ts';

/** Whether something is missing or needs somebody to look: cheap, and open to everybody, so it tells nothing of anybody's data. */
export const healthRoute: Route = {
  method: 'GET',
  path: '/health',
  operation: {
    id: 'getHealth',
    summary: 'Whether the deployment is complete and its projections are well',
    description:
      'Always 200. `degraded` with a reason for each thing that somebody has to see to: a secret that is missing or too short, a database that does not answer within 2 s, open dead letters, a failed build, a projection that is not live or that this Worker has no code for.',
    tag: 'operations',
    requestHeaders: [],
    answers: {
      200: {
        description: '`reasons` say what is wrong and what to do; empty when all is well.',
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
        ...(OPERATIONS_KEY || OPERATIONS_ACCESS === 'open' ? [] : [missing('OPERATIONS_KEY')]),
        ...(await projectionComplaints(c.var.runtime.status)),
      ];
      return c.json({ status: reasons.length === 0 ? 'ok' : 'degraded', reasons });
    },
  ],
};

function missing(secret: string): string {
  return `the secret ${secret} is not set: \`npx wrangler secret put ${secret}\``;
}
