import { v5 as nameBasedUuid } from 'uuid';
import * as z from 'zod/mini';

import type { Guarded } from '../access/access.ts';
import type { IdempotencyMark } from '../domain/event.ts';
import { isApplied } from '../catch-up/catch-up.ts';
import { type Budget, newBudget } from '../catch-up/catch-up-limits.ts';
import { isTransient } from '../projections/d1-errors.ts';
import type { Projection } from '../projections/projection.ts';
import { shows } from '../queries/shows.ts';
import { type Seen, seenAt } from '../domain/seen.ts';
import { type StreamId, idOf } from '../domain/stream.ts';
import { sleep, withTimeout } from '../platform/timeout.ts';
import type { AggregateState, LogPage } from '../write/aggregate.ts';
import type { Executed } from '../write/command-bus.ts';
import type { Command } from '../domain/decider.ts';
import { log } from '../platform/log.ts';
import { keyOwners } from '../runtime/former-formats.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { AppContext } from './app-env.ts';
import { requireOwnCustomer } from './authorization.ts';
import { readBody } from './body.ts';
import { causal } from './causal.ts';
import { tokenAhead } from './causal-problems.ts';
import { HEADER } from './headers.ts';
import { parseParams } from './params.ts';
import { Problem } from './problem.ts';
import { type Preferences, etagOf, expectedVersion, idempotencyKey, preferences } from './request-headers.ts';
import type { Documentation, Operation, Route } from './route.ts';
import { sha256 } from '../platform/sha256.ts';
import { MAX_WAIT_S } from './limits.ts';

interface CommandInput<Params, Body> {
  readonly params: Params;
  readonly body: Body;
  /**
   * Makes an id for a new aggregate. With an idempotency key, the id follows from caller, route and key, so that a retry reaches the same object.
   * Without a key, it is time-ordered.
   */
  readonly newId: () => string;
}

/** Who may send a command. Every command is for staff, or belongs to one customer: what is everyone's, nobody may change. */
export interface CommandAccess extends Guarded {
  readonly whose: 'customer' | 'staff';
}

/** A command, and what only its first answer shows. */
export type AskedCommand = Command & {
  /** Members of the answer that are stored nowhere, such as a secret. An answer that is replayed lacks them. */
  readonly shownOnce?: object;
};

/** A route that sends one command to one aggregate. */
export interface CommandRoute<Params extends z.ZodMiniObject, Body extends z.ZodMiniType> {
  /** Default: `POST`. */
  readonly method?: 'POST' | 'DELETE';
  /** Path in Hono's form, for example `/seats/:seatId/reservation`. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly access: CommandAccess;
  /** For a command that creates, with `whose: 'customer'`: the member of the body that holds the customer to whom the aggregate will belong. */
  readonly owner?: string;
  readonly params?: Params;
  /** A body without a name takes that of the route in the OpenAPI document, for example `ReserveSeat`. */
  readonly body: Body;
  readonly bodyExample: unknown;
  /** The body may be absent: it has no required field. */
  readonly isBodyOptional?: boolean;
  /** For a command that creates an aggregate: answers 201 with `Location` instead of 200, and takes no `If-Match`. */
  readonly creates?: { readonly location: (id: string) => string };
  readonly toCommand: (
    input: CommandInput<z.output<Params>, z.output<Body>>,
    c: AppContext,
  ) => AskedCommand | Promise<AskedCommand>;
  /** An addition to the scope of the idempotency key, for aggregates whose id does not follow from the key. */
  readonly keyScope?: (body: z.output<Body>) => string;
  /** The name of the id in the answer, for example `seatId`. */
  readonly idName: string;
  /** The receipt, which is the answer without `Prefer: return=representation`. */
  readonly answer: z.ZodMiniType;
  readonly answerExample: unknown;
  /** Makes the resource from the write side's state, in the shape that its query has: for `Prefer: return=representation`. */
  readonly represent: (id: string, state: AggregateState) => unknown;
  /** The schema of what `represent` returns. */
  readonly representation: z.ZodMiniType;
  /** Codes of the refusals that the domain may answer with. */
  readonly refusals: readonly string[];
}

/** The namespace of ids that follow from idempotency keys. Never change it: retries would no longer find what they created. */
const KEY_NAMESPACE = '6f1d4a52-2f0b-4f4e-9c86-54c3a1d0b3aa';

/** Declares a command's route. All of them handle versions, idempotency, preferences, token and refusals in the same way. */
export function commandRoute<Params extends z.ZodMiniObject, Body extends z.ZodMiniType>(
  route: CommandRoute<Params, Body>,
): Route {
  // Otherwise a customer could create for another one.
  if (route.creates && route.access.whose === 'customer' && route.owner === undefined)
    throw new Error(
      `POST ${route.path} is for customers, so its body needs a member for the customer: name it as \`owner\``,
    );
  return {
    method: route.method ?? 'POST',
    path: route.path,
    operation: operationOf(route),
    handlers: [causal(), async (c) => runCommand(c, route)],
  };
}

async function runCommand<Params extends z.ZodMiniObject, Body extends z.ZodMiniType>(
  c: AppContext,
  route: CommandRoute<Params, Body>,
): Promise<Response> {
  const { runtime, caller, correlationId, requestId } = c.var;
  const params = parseParams(c, route.params);
  const key = idempotencyKey(c);
  const expected = route.creates ? undefined : expectedVersion(c);
  const preferred = preferences(c);
  const body = await readBody(c, route.body, route.isBodyOptional);

  if (route.owner !== undefined) requireOwnCustomer(c, (body.value as Readonly<Record<string, unknown>>)[route.owner]);

  const path = `${c.req.method} ${c.req.path}`;
  async function run(owner: string, isReplayOnly: boolean) {
    const scope = [owner, path, route.keyScope?.(body.value) ?? '', key ?? ''];
    const idempotency = key === undefined ? undefined : await idempotencyMark(scope, body.bytes);
    const newId = () => (idempotency ? nameBasedUuid(idempotency.key, KEY_NAMESPACE) : runtime.clock.newId());
    const { shownOnce, ...command } = await route.toCommand({ params, body: body.value, newId }, c);
    const result = (await runtime.bus().dispatch(command, {
      commandId: runtime.clock.newId(),
      correlationId,
      causationId: requestId,
      principal: caller,
      ...(expected !== undefined && { expectedVersion: expected }),
      ...(idempotency && { idempotency }),
      ...(isReplayOnly && { isReplayOnly }),
      returnState: preferred.returnsRepresentation,
      // With `Prefer: wait`, every projection has them before the answer.
      returnEvents: preferred.wait === undefined && runtime.afterAnswer.isOn(),
      seen: c.var.causal.seen,
    })) as Executed;
    return { result, shownOnce };
  }

  const { own, alsoLookedUp } = keyOwners(c.env, caller.owner);
  for (const owner of key === undefined ? [] : alsoLookedUp) {
    const { result } = await run(owner, true);
    if (result.outcome !== 'not-applied') return answer(c, route, result, preferred);
  }
  const { result, shownOnce } = await run(own, false);
  return answer(c, route, result, preferred, shownOnce);
}

async function answer<Params extends z.ZodMiniObject, Body extends z.ZodMiniType>(
  c: AppContext,
  route: CommandRoute<Params, Body>,
  result: Executed,
  preferred: Preferences,
  shownOnce?: object,
): Promise<Response> {
  switch (result.outcome) {
    case 'rejected': {
      if (result.version > 0) c.var.causal.see(result.stream, result.version, result.eventId);
      const { code, message, details } = result.rejection;
      throw new Problem(code, message, details);
    }
    case 'version-mismatch': {
      const { currentVersion } = result;
      if (currentVersion > 0) c.var.causal.see(result.stream, currentVersion, result.eventId);
      throw new Problem(
        'version-mismatch',
        `The current version is ${currentVersion}. Read the resource again, and decide again.`,
        { currentVersion },
      );
    }
    case 'token-ahead':
      throw tokenAhead(result.stream, result.seenVersion, result.head);
    case 'key-reused':
      throw new Problem(
        'key-reused',
        `This ${HEADER.idempotencyKey} was used with another body before. Use a new key for a new command, and the same body for a retry.`,
      );
    case 'applied':
      break;
    case 'not-applied':
      throw new Error(`${result.stream} was asked for an earlier outcome only`);
    default:
      return result satisfies never;
  }

  const { stream, version, eventId, replayed, state, appended } = result;
  const id = idOf(stream);
  c.var.causal.see(stream, version, eventId);
  const honoured = [
    ...(await bringProjectionsUp(c.var.runtime, stream, seenAt(version, eventId), preferred.wait)),
    ...(state ? ['return=representation'] : []),
  ];
  if (appended) applyAfterAnswer(c, stream, version, appended);
  if (honoured.length > 0) c.header(HEADER.preferenceApplied, honoured.join(', '));
  c.header(HEADER.version, String(version));
  c.header(HEADER.etag, etagOf(version));
  if (replayed) c.header(HEADER.idempotencyReplayed, 'true');
  if (route.creates) c.header(HEADER.location, route.creates.location(id));
  const body = state ? route.represent(id, state) : { [route.idName]: id, version };
  return c.json({ ...(body as object), ...(!replayed && shownOnce) }, route.creates ? 201 : 200);
}

/** Begins once the answer is under way. The queue brings what this leaves (`AfterAnswer`). */
function applyAfterAnswer(
  c: AppContext,
  stream: StreamId,
  toVersion: number,
  { events, previousId }: Pick<LogPage, 'events' | 'previousId'>,
): void {
  const fromVersion = toVersion - events.length + 1;
  const { afterAnswer } = c.var.runtime;
  c.executionCtx.waitUntil(
    sleep(0).then(() => afterAnswer.apply({ stream, fromVersion, toVersion, previousId, events })),
  );
}

/**
 * Runs the synchronous projections, and with `Prefer: wait` all that follow the stream, before the command answers. A projection that fails or
 * is too slow does not undo the write: the answer only lacks `Preference-Applied`.
 */
async function bringProjectionsUp(
  runtime: Runtime,
  stream: StreamId,
  written: Seen,
  waitS: number | undefined,
): Promise<readonly string[]> {
  const projections = runtime.registry
    .projectionsFollowing(stream)
    .filter(({ mode }) => waitS !== undefined || mode === 'synchronous');
  if (projections.length === 0) return waitS === undefined ? [] : [`wait=${waitS}`];
  try {
    const timeoutMs = (waitS ?? MAX_WAIT_S) * 1000;
    // Without `Prefer: wait`, each projection is tried once. The queue does the rest.
    const giveUpAt = runtime.clock.now() + (waitS === undefined ? 0 : timeoutMs);
    const budget = newBudget();
    const work = Promise.all(
      projections.map((projection) => reaches(runtime, projection, stream, written, giveUpAt, budget)),
    );
    const reached = await withTimeout(work, timeoutMs);
    return waitS !== undefined && reached.every(Boolean) ? [`wait=${waitS}`] : [];
  } catch (error) {
    log('command.projections-not-awaited', { stream, error: String(error) });
    return [];
  }
}

/** The pause after a fault of the database or the log, in ms. */
const REACH_AGAIN_MS = 100;

/**
 * Whether a projection shows the written event before `giveUpAt` (ms since the epoch). A projection that already had the version may have it
 * from a log that was restored since, so the event ids are compared. Transient faults are retried.
 */
async function reaches(
  runtime: Runtime,
  projection: Projection,
  stream: StreamId,
  written: Seen,
  giveUpAt: number,
  budget: Budget,
): Promise<boolean> {
  for (;;) {
    try {
      const result = await runtime.catchUp(projection, [{ stream, wanted: written.version }], { budget });
      if (isApplied(result, stream, written.version))
        return result.applied > 0 || (await shows(runtime, projection, stream, written));
      if (result.streams.get(stream)?.standstill?.cause !== 'transient') return false;
    } catch (error) {
      log('command.projection-failed', { stream, projection: projection.name, error: String(error) });
      if (!isTransient(error)) return false;
    }
    if (runtime.clock.now() + REACH_AGAIN_MS >= giveUpAt) return false;
    await sleep(REACH_AGAIN_MS);
  }
}

async function idempotencyMark(scope: readonly string[], body: Uint8Array): Promise<IdempotencyMark> {
  return { key: await sha256(new TextEncoder().encode(JSON.stringify(scope))), fingerprint: await sha256(body) };
}

function operationOf<Params extends z.ZodMiniObject, Body extends z.ZodMiniType>(
  route: CommandRoute<Params, Body>,
): Operation {
  return {
    id: route.id,
    access: route.access,
    ...(route.params && { params: route.params }),
    problems: [
      'malformed-body',
      'invalid-header',
      'invalid-causal-token',
      'too-large',
      'not-json',
      'key-reused',
      'causal-token-ahead',
      'outcome-unknown',
      'overloaded',
      'code-too-old',
      'storage-unavailable',
      ...(route.params ? ['invalid-id'] : []),
      ...(route.creates ? [] : ['version-mismatch']),
      ...route.refusals,
    ],
    documentation: () => documentationOf(route),
  };
}

function documentationOf<Params extends z.ZodMiniObject, Body extends z.ZodMiniType>(
  route: CommandRoute<Params, Body>,
): Documentation {
  const answered = [HEADER.version, HEADER.etag, HEADER.idempotencyReplayed, HEADER.preferenceApplied];
  return {
    summary: route.summary,
    description: route.description,
    tag: route.tag,
    body: { schema: route.body, example: route.bodyExample, ...(route.isBodyOptional && { isOptional: true }) },
    requestHeaders: [
      HEADER.causalToken,
      HEADER.idempotencyKey,
      HEADER.prefer,
      ...(route.creates ? [] : [HEADER.ifMatch, HEADER.version]),
    ],
    answers: {
      [route.creates ? 201 : 200]: {
        description: 'Applied. The body is a receipt; with `Prefer: return=representation` it is the whole resource.',
        schema: z.xor([route.answer, route.representation]),
        example: route.answerExample,
        headers: route.creates ? [...answered, HEADER.location] : answered,
      },
    },
  };
}
