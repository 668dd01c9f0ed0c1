/**
 * Manages API keys over the HTTP API: `npm run keys -- create|list|revoke`.
 *
 *     npm run keys -- create warehouse --scopes orders:read,orders:write
 *     npm run keys -- create shop-of-c-1024 --role customer --customer c-1024
 *     npm run keys -- list
 *     npm run keys -- revoke 0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a
 */
import { access } from '../src/access.ts';
import { type Answer, UnexpectedAnswerError, apiClient, retrying } from './api-client.ts';
import { SERVER_HELP, SERVER_OPTIONS, askedOrExit, explain, parseCommandLine, requireUrl } from './command-line.ts';

const HELP = `Usage: npm run keys -- create <name> [options] | list | revoke <keyId>

  --scopes <names>     for create: scopes, separated by commas
  --role <name>        for create: the scopes of a role: ${Object.keys(access.roles).join(', ')}
  --customer <id>      for create: limits the key to this customer
  --expires <time>     for create: from then on the key is refused, RFC 3339; default: never
${SERVER_HELP}`;

interface KeyView {
  readonly keyId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly customerId: string | null;
  readonly status: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

const OPTIONS = {
  ...SERVER_OPTIONS,
  scopes: { type: 'string' },
  role: { type: 'string' },
  customer: { type: 'string' },
  expires: { type: 'string' },
} as const;

const asked = askedOrExit(HELP, readArguments);
const api = apiClient(asked.url, { credential: asked.key ?? process.env['OPERATIONS_KEY'] });

try {
  if (asked.action === 'create') await create();
  else if (asked.action === 'list') await list();
  else await revoke();
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

async function create(): Promise<void> {
  const { name, scopes, customer, expires } = asked;
  const body = {
    name,
    scopes,
    ...(customer !== undefined && { customerId: customer }),
    ...(expires !== undefined && { expiresAt: expires }),
  };
  const { body: created } = ok(await api.post<{ keyId: string; secret: string }>('/keys', body), 201);
  console.log(created.secret);
  console.error(`This is the key ${created.keyId} (${name}). Keep it: nobody can show it again.`);
}

async function list(): Promise<void> {
  let cursor: string | null = null;
  let count = 0;
  do {
    const path: string = cursor === null ? '/keys?limit=100' : `/keys?limit=100&cursor=${encodeURIComponent(cursor)}`;
    const page: Answer<{ items: readonly KeyView[]; nextCursor: string | null }> = ok(
      await retrying(() => api.get<{ items: readonly KeyView[]; nextCursor: string | null }>(path)),
      200,
    );
    for (const { keyId, name, scopes, customerId, status, expiresAt, revokedAt } of page.body.items) {
      const end = revokedAt === null ? (expiresAt === null ? '' : `, until ${expiresAt}`) : ` ${revokedAt}`;
      const customer = customerId === null ? '' : ` of ${customerId}`;
      count += 1;
      console.log(`${keyId}  ${status}${end}  ${name}${customer}  ${scopes.join(', ')}`);
    }
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  if (count === 0) console.log('There are no API keys.');
}

async function revoke(): Promise<void> {
  ok(await api.delete(`/keys/${asked.name}`), 200);
  console.log('Revoked. An instance of the Worker that has just accepted the key may accept it for 20 s more.');
}

function ok<Body>(answer: Answer<Body>, status: number): Answer<Body> {
  if (answer.status !== status) throw new UnexpectedAnswerError(answer);
  return answer;
}

function readArguments(args: readonly string[]) {
  const { values, positionals } = parseCommandLine(args, OPTIONS, {
    max: 2,
    excess: (word) => `"${word}" is one word too many.`,
  });
  if (values.help) return undefined;
  const [action, name = ''] = positionals;
  if (action !== 'create' && action !== 'list' && action !== 'revoke')
    throw new Error(`Say what to do: create, list or revoke${action === undefined ? '' : `, not "${action}"`}.`);
  if (action === 'create' && name === '') throw new Error('Name what will use the key: `create <name>`.');
  if (action === 'revoke' && name === '') throw new Error('Say which key: `revoke <keyId>`; `list` shows the ids.');
  const role = values.role === undefined ? undefined : access.roles[values.role];
  if (values.role !== undefined && !role)
    throw new Error(`There is no role "${values.role}". The roles are: ${Object.keys(access.roles).join(', ')}.`);
  if (role?.isForCustomers && values.customer === undefined)
    throw new Error(`The role ${values.role} is for customers: name one with --customer.`);
  const scopes = [...(role?.scopes ?? []), ...(values.scopes?.split(',').filter((scope) => scope !== '') ?? [])];
  if (action === 'create' && scopes.length === 0) throw new Error('Say what the key may do: --scopes or --role.');
  const { customer, expires, key } = values;
  return { action, name, scopes: [...new Set(scopes)], customer, expires, key, url: requireUrl(values.url) };
}
