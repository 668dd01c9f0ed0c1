import * as z from 'zod/mini';

import type { AccessTable, Guarded } from '../access/access.ts';
import { newApiKey } from '../access/api-key.ts';
import { keySecretsOf } from '../access/access-settings.ts';
import { routesOf } from '../authoring/routes-of.ts';
import type { AppContext } from '../http/app-env.ts';
import { missingScope } from '../http/authorization.ts';
import { commandRoute } from '../http/command-route.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { Time, Uuid, Version, described, named, text } from '../http/schemas.ts';
import { type ExistingKey, MAX_CUSTOMER_ID, MAX_KEY_NAME, key } from './key.ts';
import type { KeyList } from './key-list.ts';

const MANAGES = { scope: 'keys:manage', whose: 'staff' } as const satisfies Guarded;

/** The body that creates a key. */
function newKey({ scopes }: AccessTable) {
  return z.strictObject({
    name: described(
      text(MAX_KEY_NAME),
      'What uses the key. A key that replaces another one has its name: then retries stay one command.',
    ),
    scopes: described(
      z.array(z.enum(Object.keys(scopes))).check(z.minLength(1), z.maxLength(100)),
      'You can give only scopes that you have.',
    ),
    customerId: described(z.optional(text(MAX_CUSTOMER_ID)), 'Limits the key to what belongs to this customer.'),
    expiresAt: described(z.optional(Time), 'From then on the key is refused. Default: never.'),
  });
}

const Receipt = z.strictObject({ keyId: Uuid, version: Version });
const Secret = described(z.optional(z.string()), 'The key. Absent in an answer that is replayed.');
const Params = z.strictObject({ keyId: Uuid });
const EXAMPLE_ID = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';

/** The routes of API keys. */
export function keyRoutes(list: KeyList, access: AccessTable): readonly Route[] {
  const keys = routesOf(key, {
    path: '/keys',
    tag: 'keys',
    name: 'ApiKey',
    access: { read: MANAGES, write: MANAGES },
    view: list.view,
    example: {
      name: 'warehouse',
      scopes: ['events:read'],
      customerId: null,
      status: 'active',
      expiresAt: null,
      createdAt: '2026-11-23T09:00:00.000Z',
      revokedAt: null,
    },
    fromState: viewOf,
  });
  const written = { tag: 'keys', access: MANAGES, idName: 'keyId', represent };
  function represent(keyId: string, { state, version }: { readonly state: object; readonly version: number }): object {
    return { keyId, ...viewOf(state as ExistingKey), version };
  }

  return [
    commandRoute({
      ...written,
      path: '/keys',
      id: 'createKey',
      summary: 'Create an API key',
      description:
        'Only this answer has the secret: `Authorization: Bearer <secret>`. It is stored nowhere. If the answer is lost, revoke the key and create another one.',
      body: newKey(access),
      bodyExample: { name: 'warehouse', scopes: ['events:read'] },
      creates: { location: (keyId) => `/keys/${keyId}` },
      answer: named('ApiKeyReceipt', z.strictObject({ ...Receipt.shape, secret: Secret })),
      representation: named('NewApiKey', z.strictObject({ ...keys.schema.shape, secret: Secret })),
      answerExample: { keyId: EXAMPLE_ID, version: 1, secret: 'tm_…' },
      refusals: [],
      async toCommand({ body: { name, scopes, customerId = null, expiresAt = null }, newId }, c) {
        const secret = secretOf(c);
        requireGrantable(c, scopes);
        requireFuture(c, expiresAt);
        const keyId = newId();
        const { text: shown, digest } = await newApiKey(c.var.runtime.clock, keyId, secret);
        const data = { keyId, name, scopes: [...new Set(scopes)], customerId, expiresAt, digest };
        return { type: 'CreateKey', data, shownOnce: { secret: shown } };
      },
    }),
    keys.list(list, 'oldestFirst', { summary: 'List API keys, oldest first' }),
    keys.resource(list, { summary: 'One API key, without its secret' }),
    commandRoute({
      ...written,
      method: 'DELETE',
      path: '/keys/:keyId',
      id: 'revokeKey',
      summary: 'Revoke an API key',
      description:
        'The key is refused at once, or within 20 s by an instance of the Worker that has just accepted it. Needs no body.',
      params: Params,
      body: z.strictObject({}),
      bodyExample: {},
      isBodyOptional: true,
      answer: named('ApiKeyRevoked', Receipt),
      representation: keys.schema,
      answerExample: { keyId: EXAMPLE_ID, version: 2 },
      refusals: ['not-found'],
      toCommand: ({ params: { keyId } }) => ({ type: 'RevokeKey', data: { keyId } }),
    }),
  ];
}

function viewOf({ name, scopes, customerId, status, expiresAt, createdAt, revokedAt }: ExistingKey) {
  return { name, scopes: [...scopes], customerId, status, expiresAt, createdAt, revokedAt };
}

function secretOf(c: AppContext): string {
  const [secret] = keySecretsOf(c.env);
  if (secret !== undefined) return secret;
  throw new Problem(
    'not-configured',
    'API keys need the secret API_KEY_SECRET: `npx wrangler secret put API_KEY_SECRET` stores it.',
  );
}

/** Nobody may make a key that allows more than their own credential does. */
function requireGrantable(c: AppContext, scopes: readonly string[]): void {
  const missing = scopes.find((scope) => !c.var.caller.scopes.has(scope));
  if (missing !== undefined) throw missingScope(missing);
}

function requireFuture(c: AppContext, expiresAt: string | null): void {
  if (expiresAt === null || Date.parse(expiresAt) > c.var.runtime.clock.now()) return;
  const errors = [{ pointer: '/expiresAt', detail: 'Must be in the future.' }];
  throw new Problem('invalid-field', '/expiresAt: Must be in the future.', { errors });
}
