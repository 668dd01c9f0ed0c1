import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import type { Env } from '../../src/bindings.ts';
import worker from '../worker.ts';
import { type Headers, asOperator } from './api.ts';

/** Sends a command to a deployment of the same Worker with other variables. */
export async function postTo(
  variables: Partial<Env>,
  path: string,
  body: unknown,
  headers: Headers = {},
): Promise<Response> {
  const request = new Request(`https://tidemark.test${path}`, {
    method: 'POST',
    headers: { ...asOperator, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const context = createExecutionContext();
  const answer = await worker.fetch?.(
    request as Parameters<NonNullable<typeof worker.fetch>>[0],
    { ...env, ...variables },
    context,
  );
  await waitOnExecutionContext(context);
  return answer as Response;
}

/** A deployment that still finds the idempotency keys from before authentication. */
export const WITH_KEYS_OF_NOBODY: Partial<Env> = { IDEMPOTENCY_SCOPE: 'both' };
