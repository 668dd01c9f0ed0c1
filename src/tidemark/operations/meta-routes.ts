import * as z from 'zod/mini';

import type { AppContext } from '../http/app-env.ts';
import { HEADER } from '../http/headers.ts';
import { Problem } from '../http/problem.ts';
import { isKnown } from '../http/request-headers.ts';
import type { Route } from '../http/route.ts';
import { sha256 } from '../platform/sha256.ts';
import { ASSET, type AssetPath } from '../runtime/assets.ts';
import { healthRoute } from './health-route.ts';

/** What `/problems/{code}` answers, by the code. */
export type ProblemPages = Readonly<Record<string, object>>;

/** Routes about the API itself: its health, its OpenAPI document, and its problem types. The last two are made before a deployment. */
export function metaRoutes(): readonly Route[] {
  let document: { readonly text: string; readonly etag: string } | undefined;
  let problems: ProblemPages | undefined;
  // Keeps the document, not its promise: on Workers, a request must not wait for I/O that another request started.
  async function theDocument(c: AppContext) {
    if (document) return document;
    const text = await assetOf(c, ASSET.openApi);
    document = { text, etag: `"${await sha256(new TextEncoder().encode(text))}"` };
    return document;
  }
  return [
    healthRoute,
    {
      method: 'GET',
      path: '/problems/:code',
      operation: {
        id: 'getProblemType',
        access: 'open',
        params: z.strictObject({ code: z.string() }),
        problems: ['not-found'],
      },
      handlers: [
        async (c) => {
          problems ??= JSON.parse(await assetOf(c, ASSET.problems)) as ProblemPages;
          const code = c.req.param('code') ?? '';
          if (!Object.hasOwn(problems, code))
            throw new Problem('not-found', 'There is no such problem type. Use a `code` of an answer.');
          return c.json(problems[code]);
        },
      ],
    },
    {
      method: 'GET',
      path: '/openapi.json',
      operation: { id: 'getOpenApi', access: 'open', problems: [] },
      handlers: [
        async (c) => {
          const { text, etag } = await theDocument(c);
          c.header(HEADER.etag, etag);
          if (isKnown(c, etag)) return c.body(null, 304);
          return c.body(text, 200, { [HEADER.contentType]: 'application/json' });
        },
      ],
    },
  ];
}

/** The text of a static asset of the deployment. */
async function assetOf(c: AppContext, path: AssetPath): Promise<string> {
  if (!c.env.ASSETS) throw new Problem('not-configured', 'The deployment has no static assets: GET /health says why.');
  // The host does not matter: the binding looks at the path only.
  const answer = await c.env.ASSETS.fetch(`https://assets.invalid/${path}`);
  if (!answer.ok) throw new Error(`the static asset ${path} answered ${answer.status}`);
  return answer.text();
}
