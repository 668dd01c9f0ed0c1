import type { PlantedBug } from './planted.ts';

const AGGREGATE = 'src/tidemark/write/aggregate.ts';
const API_KEY = 'src/tidemark/access/api-key.ts';
const API_KEY_CHECK = 'src/tidemark/access/api-key-check.ts';
const AUTHORIZATION = 'src/tidemark/http/authorization.ts';
const JSON_WEB_TOKEN = 'src/tidemark/access/json-web-token.ts';

/**
 * Bugs in who may do what. Tests catch them (`npm run test:planted`). The simulation does not: its clients are operators.
 */
export const PLANTED_IN_ACCESS: readonly Omit<PlantedBug, 'breaks'>[] = [
  {
    name: 'an earlier outcome is repeated without a look at whose the aggregate is',
    edits: [
      {
        file: AGGREGATE,
        find: '    const foreign = unlessTooOld(() => isForeign(request));\n    if (foreign !== false) return undefined;\n',
        replace: '',
      },
      {
        file: AGGREGATE,
        find: 'if (foreign !== false) return foreign === true ? executeAbsent(request) : foreign;\n      const settled = replay(request);\n      if (settled) return settled;',
        replace:
          'const settled = replay(request);\n      if (settled) return settled;\n      if (foreign !== false) return foreign === true ? executeAbsent(request) : foreign;',
      },
    ],
  },
  {
    name: 'a command does not look whose the aggregate is',
    edits: [
      {
        file: AGGREGATE,
        find: 'return type.owner?.(currentState(type).state) !== customerId;',
        replace: 'return type.owner === undefined;',
      },
    ],
  },
  {
    name: 'a resource is shown to another customer',
    edits: [
      {
        file: 'src/tidemark/http/resource-route.ts',
        find: 'resource === undefined || !isOwn(c, route, resource)',
        replace: 'resource === undefined',
      },
    ],
  },
  {
    name: 'a list is not limited to the customer',
    edits: [
      {
        file: 'src/tidemark/http/list-route.ts',
        find: 'return { ...asked, [owner]: customerId };',
        replace: 'return asked;',
      },
    ],
  },
  {
    name: 'the token tells of a resource that belongs to somebody else',
    edits: [
      {
        file: AUTHORIZATION,
        find: 'if (c.var.caller.customerId !== undefined) c.var.causal.forget(stream);',
        replace: '',
      },
    ],
  },
  {
    name: 'a history is shown to another customer',
    edits: [
      {
        file: AUTHORIZATION,
        find: 'if (state === undefined || type.owner?.(state) !== caller.customerId) throw',
        replace: 'if (state === undefined && type.category === "") throw',
      },
    ],
  },
  {
    name: 'a body may name another customer',
    edits: [
      {
        file: AUTHORIZATION,
        find: 'if (customerId === undefined || named === customerId) return;',
        replace: 'if (customerId === undefined || named !== undefined) return;',
      },
    ],
  },
  {
    name: 'a scope is not asked for',
    edits: [
      {
        file: AUTHORIZATION,
        find: 'if (scope !== null && !scopes.has(scope)) throw',
        replace: 'if (scope === "") throw',
      },
    ],
  },
  {
    name: 'a customer uses what is for the staff',
    edits: [
      {
        file: AUTHORIZATION,
        find: "if (whose === 'staff' && customerId !== undefined) {",
        replace: "if (whose === 'staff' && customerId === '') {",
      },
    ],
  },
  {
    name: 'a revoked key is accepted',
    edits: [
      {
        file: API_KEY_CHECK,
        find: "key?.status === 'active' && key.digest",
        replace: 'key !== undefined && key.digest',
      },
    ],
  },
  {
    name: 'an expired key is accepted',
    edits: [
      {
        file: API_KEY_CHECK,
        find: 'return known.expiresAt > now() ? known.caller : undefined;',
        replace: 'return known.caller;',
      },
    ],
  },
  {
    name: 'a key with another random part is accepted',
    edits: [{ file: API_KEY_CHECK, find: ' && key.digest === digest;', replace: ';' }],
  },
  {
    name: 'a forged key wakes its object',
    edits: [
      {
        file: API_KEY,
        find: 'if (crypto.subtle.timingSafeEqual(expected, mac)) return id;',
        replace: 'if (expected) return id;',
      },
    ],
  },
  {
    name: 'a token for another audience is accepted',
    edits: [
      {
        file: JSON_WEB_TOKEN,
        find: 'claims.iss === issuer && audiences.has(audience)',
        replace: 'claims.iss === issuer && audience !== "" && audiences.size > 0',
      },
      { file: JSON_WEB_TOKEN, find: '            audience: issuer.audience,\n', replace: '' },
    ],
  },
  {
    name: 'a token of the future is accepted',
    edits: [
      {
        file: JSON_WEB_TOKEN,
        find: 'if (iat !== undefined && iat * 1_000 > now() + toleranceS * 1_000) return undefined;',
        replace: '',
      },
    ],
  },
  {
    name: 'a verified token is accepted beyond its end',
    edits: [
      {
        file: JSON_WEB_TOKEN,
        find: 'Math.min(now() + verifiedMs, (payload.exp ?? 0) * 1_000)',
        replace: 'now() + verifiedMs',
      },
    ],
  },
  {
    name: 'a user without the claim of its customer is staff',
    edits: [
      {
        file: JSON_WEB_TOKEN,
        find: 'if (!issuer.isCustomerOptional || !isAbsent) return undefined;',
        replace: 'if (isAbsent === undefined) return undefined;',
      },
    ],
  },
  {
    name: 'idempotency keys are everybody’s',
    edits: [
      {
        file: 'src/tidemark/http/command-route.ts',
        find: 'const scope = [owner, path,',
        replace: 'const scope = [path,',
      },
    ],
  },
  {
    name: 'a client over its limit is served',
    edits: [
      {
        file: 'src/tidemark/http/rate-limits.ts',
        find: 'return (await limiter.limit({ key })).success;',
        replace: 'return (await limiter.limit({ key })) !== undefined;',
      },
    ],
  },
  {
    name: 'the development keys are valid under any host name',
    edits: [
      {
        file: 'src/tidemark/access/access-settings.ts',
        find: '    if (!isHere) {',
        replace: '    if (isHere === undefined) {',
      },
    ],
  },
];
