import { HEADER } from './headers.ts';
import type { AppContext } from './app-env.ts';
import { Problem } from './problem.ts';

/**
 * Allows only the operator: `Authorization: Bearer <OPERATIONS_KEY>`. A local server is open. A deployment without the secret refuses every
 * request.
 */
export async function requireOperator(c: AppContext): Promise<void> {
  if (c.env.OPERATIONS_ACCESS === 'open') return;
  const given = /^Bearer (.+)$/i.exec(c.req.header(HEADER.authorization) ?? '')?.[1];
  if (given !== undefined && c.env.OPERATIONS_KEY && (await isSame(given, c.env.OPERATIONS_KEY))) return;
  throw new Problem(
    'unauthorized',
    'This route needs the operations key. Send it as `Authorization: Bearer <OPERATIONS_KEY>`.',
    {},
    { [HEADER.wwwAuthenticate]: 'Bearer' },
  );
}

/** Compares hashes, so that the time reveals neither the length nor a common prefix. */
async function isSame(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [one, other].map((value) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(value))),
  );
  return crypto.subtle.timingSafeEqual(first as ArrayBuffer, second as ArrayBuffer);
}
