import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';

import type { StreamId } from '../domain/stream.ts';
import type { AppContext, AppEnv } from './app-env.ts';
import { Problem } from './problem.ts';
import type { AggregateState } from '../write/aggregate.ts';
import type { Guarded } from '../access/access.ts';

/** Lets only callers pass that a route is for. Answers 403 `forbidden`, which names a missing scope. */
export function authorization({ scope, whose }: Guarded): MiddlewareHandler<AppEnv> {
  return createMiddleware<AppEnv>(async function authorize(c, next) {
    const { scopes, customerId } = c.var.caller;
    if (scope !== null && !scopes.has(scope)) throw missingScope(scope);
    if (whose === 'staff' && customerId !== undefined) {
      throw new Problem(
        'forbidden',
        `A caller of one customer must not send ${c.req.method} ${c.req.path}. Send it with a credential that is not limited to a customer.`,
      );
    }
    await next();
  });
}

export function missingScope(scope: string): Problem {
  return new Problem('forbidden', `This needs the scope ${scope}. Ask an operator for a credential that has it.`, {
    scope,
  });
}

/** Answers 403 if a caller of one customer names another customer in a body or a filter. */
export function requireOwnCustomer(c: AppContext, named: unknown): void {
  const { customerId } = c.var.caller;
  if (customerId === undefined || named === customerId) return;
  throw new Problem(
    'forbidden',
    'This credential is for another customer. Send its own customer, or leave it out of a filter.',
  );
}

export function notFound(noun: string): Problem {
  return new Problem('not-found', `There is no such ${noun}. Check the id, and send the token of your last answer.`);
}

/**
 * Answers 404, as if there were no such stream, if the route serves customers only their own and the stream does not belong to the caller's customer.
 * `current` is its state, if it has been read.
 */
export async function requireOwnStream(
  c: AppContext,
  { access, noun }: { readonly access: Guarded; readonly noun: string },
  stream: StreamId,
  current?: AggregateState,
): Promise<void> {
  const { caller, runtime } = c.var;
  if (caller.customerId === undefined || access.whose === 'everyone') return;
  const { state } = current ?? (await runtime.aggregates.state(stream)) ?? {};
  const type = runtime.registry.typeOf(stream);
  if (state === undefined || type.owner?.(state) !== caller.customerId) throw hidden(c, stream, noun);
}

/** The 404 of a stream that the caller must not learn of. A longer token would tell that it exists. */
export function hidden(c: AppContext, stream: StreamId, noun: string): Problem {
  if (c.var.caller.customerId !== undefined) c.var.causal.forget(stream);
  return notFound(noun);
}
