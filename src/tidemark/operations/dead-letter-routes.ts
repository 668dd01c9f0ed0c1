import type { Context } from 'hono';
import * as z from 'zod/mini';

import { OverloadedError } from '../platform/faults.ts';
import { asStorageFault, isTransient } from '../projections/d1-errors.ts';
import {
  type DeadLetterGroup,
  type NothingDone,
  type Selection,
  deadLetterGroup,
  listDeadLetters,
} from '../dead-letters/dead-letter-list.ts';
import { type DeadLetterPorts, replayDeadLetters, skipDeadLetters } from '../dead-letters/dead-letter-operations.ts';
import { previewDeadLetters } from '../dead-letters/dead-letter-preview.ts';
import { parseStreamId } from '../domain/stream.ts';
import type { AppContext } from '../http/app-env.ts';
import { readBody } from '../http/body.ts';
import { requireOperator } from '../http/operations-access.ts';
import { parseParams, parseQuery } from '../http/params.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { Time, described, text } from '../http/schemas.ts';
import {
  LIST_EXAMPLE,
  List,
  Preview,
  REPLAYED_EXAMPLE,
  Replayed,
  SKIPPED_EXAMPLE,
  Skipped,
} from './dead-letter-views.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';

const GroupParams = z.extend(ProjectionParams, {
  id: described(z.string(), 'The group’s id, from the list of dead letters.'),
});

const OperationQuery = z.strictObject({
  dryRun: described(z.optional(z.enum(['true', 'false'])), '`true`: says what would be done, and does nothing.'),
  stream: described(
    z.optional(
      z.string().check(z.refine((stream) => parseStreamId(stream) !== undefined, 'A stream’s id is <category>-<id>.')),
    ),
    'Only the dead letter of this stream.',
  ),
  triedBefore: described(
    z.optional(Time),
    'Only dead letters last tried before this: that of the first answer, when a call is repeated for what remained.',
  ),
});

const SkipBody = z.strictObject({ reason: described(text(500), 'For whoever asks later.') });

const DRY_RUN =
  'With `dryRun=true` the answer says, stream by stream, what would be done: what the events come to is tried on the live tables in a transaction that is always rolled back.';

const REPEAT =
  'One call takes up to 100 streams. While `remaining` is not 0, repeat it with the `triedBefore` of the first answer.';

/** The operator's routes to what a projection could not take. */
export const deadLetterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projections/:name/dead-letters',
    operation: {
      id: 'getDeadLetters',
      summary: 'The events that a projection is stopped at',
      description:
        'Grouped by what they have in common: the cause, and the kind of error. Bounded: at most 20 groups with 20 samples each, and the latest 100 skips.',
      tag: 'operations',
      params: ProjectionParams,
      requestHeaders: [],
      isOperations: true,
      answers: { 200: { description: 'The largest groups first.', schema: List, example: LIST_EXAMPLE } },
      problems: ['not-found', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const projection = projectionOf(c);
        const list = await orUnavailable(listDeadLetters(c.var.runtime.deadLetters(projection), projection.name));
        return c.json({ projection: projection.name, ...list });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/replay',
    operation: {
      id: 'replayDeadLetters',
      summary: 'Try the dead letters of a group again, and what waits behind them',
      description: `In order, up to the head of each stream. What is refused now is a dead letter at once. ${REPEAT} ${DRY_RUN}`,
      tag: 'operations',
      params: GroupParams,
      query: OperationQuery,
      requestHeaders: [],
      isOperations: true,
      answers: {
        200: {
          description: 'What came of it.',
          schema: z.discriminatedUnion('dryRun', [Replayed, Preview]),
          example: REPLAYED_EXAMPLE,
        },
      },
      problems: ['not-found', 'invalid-field', 'projection-building', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const { ports, id, isDryRun, selection } = asked(c);
        const group = await groupOf(ports, id);
        if (isDryRun) {
          const preview = await done(ports, group, previewDeadLetters(ports, group, selection));
          return c.json({ dryRun: true, ...preview });
        }
        const triedBefore = selection.triedBefore ?? nowOf(ports);
        const replay = toTheEnd(c, replayDeadLetters(ports, group, selection));
        const { finished, ...brought } = await done(ports, group, replay);
        return c.json({ dryRun: false, replayed: finished, ...brought, triedBefore });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/skip',
    operation: {
      id: 'skipDeadLetters',
      summary: 'Leave the dead letters of a group out for good, and go on with what waits behind them',
      description: `For events that shall never be applied. Every rebuild leaves them out too; there is no way back. ${REPEAT} ${DRY_RUN}`,
      tag: 'operations',
      params: GroupParams,
      query: OperationQuery,
      body: { schema: SkipBody, example: { reason: 'Written by a test against the wrong deployment' } },
      requestHeaders: [],
      isOperations: true,
      answers: {
        200: {
          description: 'What came of it.',
          schema: z.discriminatedUnion('dryRun', [Skipped, Preview]),
          example: SKIPPED_EXAMPLE,
        },
      },
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
        await requireOperator(c);
        const { ports, id, isDryRun, selection } = asked(c);
        const { reason } = (await readBody(c, SkipBody)).value;
        const group = await groupOf(ports, id);
        if (isDryRun) {
          const preview = await done(ports, group, previewDeadLetters(ports, group, selection, { isSkip: true }));
          return c.json({ dryRun: true, ...preview });
        }
        const triedBefore = selection.triedBefore ?? nowOf(ports);
        const decision = { actor: 'operator', reason };
        const skip = toTheEnd(c, skipDeadLetters(ports, group, selection, decision));
        const { finished: _, ...brought } = await done(ports, group, skip);
        return c.json({ dryRun: false, ...brought, triedBefore });
      },
    ],
  },
];

function asked(c: AppContext): {
  readonly ports: DeadLetterPorts;
  readonly id: string;
  readonly isDryRun: boolean;
  readonly selection: Selection;
} {
  const { id } = parseParams(c, GroupParams);
  const { dryRun, stream, triedBefore } = parseQuery(c, OperationQuery);
  const selection = { stream: stream === undefined ? undefined : parseStreamId(stream), triedBefore };
  return { ports: c.var.runtime.deadLetters(projectionOf(c)), id, isDryRun: dryRun === 'true', selection };
}

async function groupOf({ database, projection }: DeadLetterPorts, id: string): Promise<DeadLetterGroup> {
  const group = await orUnavailable(deadLetterGroup(database, projection.name, id));
  if (!group) throw noSuchDeadLetter();
  return group;
}

function noSuchDeadLetter(): Problem {
  return new Problem('not-found', 'There is no such group, or nothing of it, as asked for, is a dead letter any more.');
}

/** Whoever asked may hang up: what was begun is finished all the same. */
function toTheEnd<Value>(c: Context, work: Promise<Value>): Promise<Value> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

/** The database is away for the moment, or there is no storage: nothing was done. */
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
  { projection }: DeadLetterPorts,
  { kind }: DeadLetterGroup,
  work: Promise<Result | NothingDone>,
): Promise<Omit<Result, 'outcome'>> {
  const result = await orUnavailable(work);
  if (result.outcome === 'not-found') throw noSuchDeadLetter();
  if (result.outcome === 'nothing-to-skip') throw new Problem('wrong-state', NOTHING_TO_SKIP, { kind });
  if (result.outcome === 'building') {
    const detail = `${projection.name} has nothing live that this deployment has code for.`;
    throw new Problem('projection-building', detail, { projection: projection.name });
  }
  const { outcome: _, ...whatWasDone } = result;
  return whatWasDone;
}

const NOTHING_TO_SKIP =
  'There is no event to skip: the log was restored to a time before what the read model has seen. Restore the database to that time too and replay, or rebuild the projection.';

function nowOf({ now }: DeadLetterPorts): string {
  return new Date(now()).toISOString();
}
