import type { Context } from 'hono';
import * as z from 'zod/mini';

import { actorText } from '../domain/principal.ts';
import { timestamp } from '../platform/clock.ts';
import { OverloadedError } from '../platform/faults.ts';
import { asStorageFault, isTransient } from '../projections/d1-errors.ts';
import {
  type DeadLetterGroup,
  type NothingDone,
  type Selection,
  deadLetterGroup,
  listDeadLetters,
} from '../dead-letters/dead-letter-list.ts';
import { replayDeadLetters, skipDeadLetters } from '../dead-letters/dead-letter-operations.ts';
import { previewDeadLetters } from '../dead-letters/dead-letter-preview.ts';
import { parseStreamId } from '../domain/stream.ts';
import type { AppContext } from '../http/app-env.ts';
import { readBody } from '../http/body.ts';
import { parseParams, parseQuery } from '../http/params.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import type { Projection } from '../projections/projection.ts';
import { Time, described, text } from '../http/schemas.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';
import { OPERATES, SEES } from './operations-access.ts';

const GroupParams = z.extend(ProjectionParams, {
  id: described(z.string(), 'The id of the group, from the list of dead letters.'),
});

const OperationQuery = z.strictObject({
  dryRun: described(z.optional(z.enum(['true', 'false'])), '`true`: says what the call would do, and changes nothing.'),
  stream: described(
    z.optional(z.string().check(z.refine((stream) => parseStreamId(stream) !== undefined, 'Must be <category>-<id>.'))),
    'Selects the dead letter of this stream only.',
  ),
  triedBefore: described(
    z.optional(Time),
    'Selects dead letters last tried before this time. To repeat a call for the remaining ones, send `triedBefore` of the first answer.',
  ),
});

export const SkipBody = z.strictObject({
  reason: described(text(500), 'Why the events are skipped. The list of dead letters shows it.'),
});

/** The operator's routes to the events that a projection could not apply. */
export const deadLetterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projections/:name/dead-letters',
    operation: {
      id: 'getDeadLetters',
      params: ProjectionParams,
      access: SEES,
      problems: ['not-found', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        const projection = projectionOf(c);
        const list = await orUnavailable(listDeadLetters(c.var.runtime, projection));
        return c.json({ projection: projection.name, ...list });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/replay',
    operation: {
      id: 'replayDeadLetters',
      params: GroupParams,
      query: OperationQuery,
      access: OPERATES,
      problems: ['not-found', 'invalid-field', 'projection-building', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        const { runtime } = c.var;
        const { projection, id, isDryRun, selection } = asked(c);
        const group = await groupOf(c, projection, id);
        if (isDryRun) {
          const preview = await done(projection, group, previewDeadLetters(runtime, projection, group, selection));
          return c.json({ dryRun: true, ...preview });
        }
        const triedBefore = selection.triedBefore ?? timestamp(runtime.clock);
        const replay = toTheEnd(c, replayDeadLetters(runtime, projection, group, selection));
        const { finished, ...brought } = await done(projection, group, replay);
        return c.json({ dryRun: false, replayed: finished, ...brought, triedBefore });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/skip',
    operation: {
      id: 'skipDeadLetters',
      params: GroupParams,
      query: OperationQuery,
      access: OPERATES,
      problems: [
        'not-found',
        'invalid-field',
        'malformed-body',
        'not-json',
        'too-large',
        'wrong-state',
        'projection-building',
        'overloaded',
        'storage-unavailable',
        'outcome-unknown',
      ],
    },
    handlers: [
      async (c) => {
        const { runtime } = c.var;
        const { projection, id, isDryRun, selection } = asked(c);
        const { reason } = (await readBody(c, SkipBody)).value;
        const group = await groupOf(c, projection, id);
        if (isDryRun) {
          const preview = await done(
            projection,
            group,
            previewDeadLetters(runtime, projection, group, selection, { isSkip: true }),
          );
          return c.json({ dryRun: true, ...preview });
        }
        const triedBefore = selection.triedBefore ?? timestamp(runtime.clock);
        const decision = { actor: actorText(c.var.caller), reason };
        const skip = toTheEnd(c, skipDeadLetters(runtime, projection, group, selection, decision));
        const { finished: _, ...brought } = await done(projection, group, skip);
        return c.json({ dryRun: false, ...brought, triedBefore });
      },
    ],
  },
];

function asked(c: AppContext): {
  readonly projection: Projection;
  readonly id: string;
  readonly isDryRun: boolean;
  readonly selection: Selection;
} {
  const { id } = parseParams(c, GroupParams);
  const { dryRun, stream, triedBefore } = parseQuery(c, OperationQuery);
  const selection = { stream: stream === undefined ? undefined : parseStreamId(stream), triedBefore };
  return { projection: projectionOf(c), id, isDryRun: dryRun === 'true', selection };
}

async function groupOf(c: AppContext, projection: Projection, id: string): Promise<DeadLetterGroup> {
  const group = await orUnavailable(deadLetterGroup(c.var.runtime.databaseOf(projection.group), projection.name, id));
  if (!group) throw noSuchDeadLetter();
  return group;
}

function noSuchDeadLetter(): Problem {
  return new Problem(
    'not-found',
    'There is no such group, or the group has no open dead letter that the query selects. Read the list of dead letters again.',
  );
}

/** Finishes the work even if the client disconnects. */
function toTheEnd<Value>(c: Context, work: Promise<Value>): Promise<Value> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

/** Turns a transient fault of the database, or missing storage, into an error that says that nothing was done. */
async function orUnavailable<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (String(error).includes('D1_ERROR') && isTransient(error))
      throw new OverloadedError('the database does not answer', { cause: error });
    throw asStorageFault(error);
  }
}

/** What was done. Throws the problem that says why nothing was. */
async function done<Result extends { readonly outcome: 'done' }>(
  { name }: Projection,
  { kind }: DeadLetterGroup,
  work: Promise<Result | NothingDone>,
): Promise<Omit<Result, 'outcome'>> {
  const result = await orUnavailable(work);
  if (result.outcome === 'not-found') throw noSuchDeadLetter();
  if (result.outcome === 'nothing-to-skip') throw new Problem('wrong-state', NOTHING_TO_SKIP, { kind });
  if (result.outcome === 'building') {
    const detail = `${name} has no live revision that this deployment has code for. Retry once its build is complete.`;
    throw new Problem('projection-building', detail, { projection: name });
  }
  const { outcome: _, ...whatWasDone } = result;
  return whatWasDone;
}

const NOTHING_TO_SKIP =
  'There is no event to skip: the log was restored to a time before the events that the read model has applied. Restore the database to that time too and replay, or rebuild the projection.';
