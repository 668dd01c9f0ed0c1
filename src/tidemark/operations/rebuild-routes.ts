import type { Handler } from 'hono';
import * as z from 'zod/mini';

import { timestamp } from '../platform/clock.ts';
import { OutcomeUnknownError, OverloadedError } from '../platform/faults.ts';
import { type Build, buildOf, isActive } from '../projections/build.ts';
import { cancelBuild, requestBuild, tendBuild } from '../rebuild/build-requests.ts';
import { asStorageFault, isTransient } from '../projections/d1-errors.ts';
import type { Target } from '../projections/pointer.ts';
import { release, rollback } from '../rebuild/former-slot.ts';
import type { Projection } from '../projections/projection.ts';
import { acceptBuild } from '../rebuild/rebuild.ts';
import type { AppContext, AppEnv } from '../http/app-env.ts';
import { HEADER } from '../http/headers.ts';
import { parseParams, parseQuery } from '../http/params.ts';
import { Problem } from '../http/problem.ts';
import type { Operation, Route } from '../http/route.ts';
import { Time, Uuid, described } from '../http/schemas.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';
import { OPERATES, SEES } from './operations-access.ts';

const BuildParams = z.extend(ProjectionParams, { id: Uuid });

const Flag = z.pipe(
  z.prefault(z.enum(['true', 'false']), 'false'),
  z.transform((value) => value === 'true'),
);

const RebuildQuery = z.strictObject({
  accept: described(Flag, 'Swap even if the build differs from the live slot. A new revision usually differs.'),
  dryRun: described(Flag, 'Build and compare, and stop before the swap. This verifies the live slot against the log.'),
});

const RollbackQuery = z.strictObject({
  slot: described(
    z.optional(z.enum(['a', 'b'])),
    'The slot to make live. If it is already live, nothing changes, so a request without an answer can be repeated safely.',
  ),
});

const Columns = z.record(z.string(), z.unknown());

const BuildView = z
  .strictObject({
    id: z.string(),
    projection: z.string(),
    revision: z.int(),
    slot: z.enum(['a', 'b']),
    liveRevision: described(
      z.nullable(z.int()),
      'The revision that was live when the build started; null for the first build.',
    ),
    state: z.enum(['building', 'comparing', 'awaiting-acceptance', 'swapped', 'failed', 'cancelled']),
    accept: z.boolean(),
    dryRun: z.boolean(),
    replayed: described(z.int(), 'Events replayed so far.'),
    total: described(z.int(), 'Events in the archive when the build started. More may have come since.'),
    rate: described(z.nullable(z.number()), 'Events per second so far.'),
    etaMs: described(z.nullable(z.int()), 'The remaining time of the replay at that rate.'),
    differences: described(
      z.nullable(
        z.looseObject({
          isEqual: z.boolean(),
          differing: z.int(),
          held: described(z.int(), 'Streams that an open dead letter holds. Neither slot goes beyond it.'),
          restored: described(
            z.optional(z.int()),
            'The held streams whose log was restored to an earlier time: the live slot shows events that the log has lost.',
          ),
          tables: z.array(z.looseObject({ table: z.string() })),
          first: z.array(
            z.strictObject({ table: z.string(), key: Columns, live: z.nullable(Columns), build: z.nullable(Columns) }),
          ),
        }),
      ),
      'The differences between the build and the live slot, once compared: counts, and the first rows.',
    ),
    error: described(
      z.nullable(
        z.strictObject({
          message: z.string(),
          stream: z.optional(z.string()),
          version: z.optional(z.int()),
          kind: z.optional(z.string()),
        }),
      ),
      'The error of a failed build, and the event at which it failed. In a running build: the error of the last try, which is retried.',
    ),
    startedAt: Time,
    updatedAt: Time,
    endedAt: z.nullable(Time),
  })
  .check(z.meta({ id: 'Build', description: 'A second copy of a projection. A swap makes it live.' }));

const BUILD_EXAMPLE = {
  id: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  projection: 'some-projection',
  revision: 1,
  slot: 'b',
  liveRevision: 1,
  state: 'building',
  accept: false,
  dryRun: false,
  replayed: 12_000,
  total: 20_000,
  rate: 3_000,
  etaMs: 2_667,
  differences: null,
  error: null,
  startedAt: '2026-11-24T09:00:00.000Z',
  updatedAt: '2026-11-24T09:00:04.000Z',
  endedAt: null,
} as const;

const LiveView = z
  .strictObject({ projection: z.string(), revision: z.int(), slot: z.enum(['a', 'b']) })
  .check(z.meta({ id: 'LiveSlot', description: 'The slot that answers queries now.' }));

function toView(build: Build): z.input<typeof BuildView> {
  const { target, replayed, total, startedAt, updatedAt, acceptsDifferences: accept, isTrial: dryRun } = build;
  const { id, projection, liveRevision, state, error, endedAt } = build;
  const elapsedS = (Date.parse(updatedAt) - Date.parse(startedAt)) / 1000;
  const rate = elapsedS > 0 ? replayed / elapsedS : null;
  const hasEta = state === 'building' && rate !== null && rate > 0;
  return {
    id,
    projection,
    ...target,
    liveRevision: liveRevision === 0 ? null : liveRevision,
    state,
    accept,
    dryRun,
    replayed,
    total,
    rate,
    etaMs: hasEta ? Math.round((Math.max(total - replayed, 0) / rate) * 1000) : null,
    differences: build.comparison === null ? null : (JSON.parse(build.comparison) as never),
    error,
    startedAt,
    updatedAt,
    endedAt,
  };
}

function locationOf({ projection, id }: Pick<Build, 'projection' | 'id'>): string {
  return `/projections/${projection}/rebuilds/${id}`;
}

function noSuchBuild(): Problem {
  return new Problem('not-found', 'There is no such build of this projection. Check the id.');
}

async function buildAsked(c: AppContext): Promise<{ projection: Projection; build: Build }> {
  const { id } = parseParams(c, BuildParams);
  const projection = projectionOf(c);
  const build = await buildOf(c.var.runtime.databaseOf(projection.group), projection.name, id);
  if (!build) throw noSuchBuild();
  return { projection, build };
}

/** Reads the build again. */
async function reread(c: AppContext, projection: Projection, id: string): Promise<z.input<typeof BuildView>> {
  const build = await buildOf(c.var.runtime.databaseOf(projection.group), projection.name, id);
  if (!build) throw noSuchBuild();
  return toView(build);
}

const COMMON = { tag: 'operations', requestHeaders: [] } satisfies Partial<Operation>;
const NOT_THERE = ['invalid-id', 'invalid-field', 'not-found', 'overloaded', 'storage-unavailable'] as const;

function buildAnswer(description: string) {
  return { description, schema: BuildView, example: BUILD_EXAMPLE };
}

function liveAnswer(projection: Projection, { revision, slot }: Target): z.input<typeof LiveView> {
  return { projection: projection.name, revision, slot };
}

const LIVE_EXAMPLE = { projection: 'some-projection', revision: 1, slot: 'a' } as const;

const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/projections/:name/rebuild',
    operation: {
      ...COMMON,
      access: OPERATES,
      id: 'rebuildProjection',
      summary: 'Rebuild a projection and swap it in',
      description:
        'Folds the whole log into the second slot while the live slot serves. Then compares the two slots and swaps them. Releases the former slot first, so a rollback to it is no longer possible.',
      params: ProjectionParams,
      query: RebuildQuery,
      answers: {
        202: { ...buildAnswer('The build has started. Watch it at `Location`.'), headers: [HEADER.location] },
      },
      problems: [...NOT_THERE, 'rebuild-running'],
    },
    handlers: [
      async (c) => {
        const { accept: acceptsDifferences, dryRun: isTrial } = parseQuery(c, RebuildQuery);
        const projection = projectionOf(c);
        const requested = await requestBuild(c.var.runtime, projection, { acceptsDifferences, isTrial });
        if (requested.outcome === 'append-only') {
          throw new Problem(
            'not-found',
            `${projection.name} only appends, so it cannot be rebuilt. Use another projection.`,
          );
        }
        if (requested.outcome === 'running') {
          const { id, state } = requested.build;
          const detail = `A build of ${projection.name} is already running (${state}). Wait for it, or cancel it.`;
          throw new Problem(
            'rebuild-running',
            detail,
            { build: id },
            { [HEADER.location]: locationOf(requested.build) },
          );
        }
        c.header(HEADER.location, locationOf({ projection: projection.name, id: requested.id }));
        return c.json(await reread(c, projection, requested.id), 202);
      },
    ],
  },
  {
    method: 'GET',
    path: '/projections/:name/rebuilds/:id',
    operation: {
      ...COMMON,
      access: SEES,
      id: 'getRebuild',
      summary: 'Get the progress of a build',
      description: 'The request also resumes a build that has stopped.',
      params: BuildParams,
      answers: { 200: buildAnswer('The build.') },
      problems: NOT_THERE,
    },
    handlers: [
      async (c) => {
        const { projection, build } = await buildAsked(c);
        if (isActive(build)) await tendBuild(c.var.runtime, projection);
        return c.json(await reread(c, projection, build.id));
      },
    ],
  },
  {
    method: 'DELETE',
    path: '/projections/:name/rebuilds/:id',
    operation: {
      ...COMMON,
      access: OPERATES,
      id: 'cancelRebuild',
      summary: 'Cancel a build',
      description: 'The live slot does not change.',
      params: BuildParams,
      answers: { 200: { ...buildAnswer('Cancelled.'), example: { ...BUILD_EXAMPLE, state: 'cancelled' } } },
      problems: [...NOT_THERE, 'wrong-state'],
    },
    handlers: [
      async (c) => {
        const { projection, build } = await buildAsked(c);
        if (!(await cancelBuild(c.var.runtime, projection, build.id))) {
          const { state } = await reread(c, projection, build.id);
          if (state !== 'cancelled')
            throw new Problem('wrong-state', `The build has already ended (${state}). Read it to see its outcome.`, {
              state,
            });
        }
        return c.json(await reread(c, projection, build.id));
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/rebuilds/:id/accept',
    operation: {
      ...COMMON,
      access: OPERATES,
      id: 'acceptRebuild',
      summary: 'Swap in a build that awaits acceptance',
      description: 'Such a build differs from the live slot: its `differences` say how.',
      params: BuildParams,
      answers: { 200: { ...buildAnswer('Swapped.'), example: { ...BUILD_EXAMPLE, state: 'swapped' } } },
      problems: [...NOT_THERE, 'wrong-state'],
    },
    handlers: [
      async (c) => {
        const { projection, build } = await buildAsked(c);
        const isWaiting = build.state === 'awaiting-acceptance';
        if (isWaiting) await acceptBuild(c.var.runtime, projection.name, build.id);
        const after = await reread(c, projection, build.id);
        if (after.state !== 'swapped') {
          const detail = `Only a build that awaits acceptance can be accepted. This one is ${after.state}. Read the build until it awaits acceptance, or start another one.`;
          throw new Problem('wrong-state', detail, { state: after.state });
        }
        return c.json(after);
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/rollback',
    operation: {
      ...COMMON,
      access: OPERATES,
      id: 'rollBackProjection',
      summary: 'Swap back to the former slot',
      description:
        'Makes the slot live that was live before the last swap. This is as quick and as safe as the swap, as long as the former slot is kept up to date: until the next build starts, or until the slot is released. That happens by itself seven days after the swap or the last rollback (`rollback.until` of `GET /projections/{name}`). A second rollback undoes the first, unless `slot` names the slot to make live.',
      params: ProjectionParams,
      query: RollbackQuery,
      answers: { 200: { description: 'The live slot after the rollback.', schema: LiveView, example: LIVE_EXAMPLE } },
      problems: [...NOT_THERE, 'wrong-state'],
    },
    handlers: [
      async (c) => {
        const { slot } = parseQuery(c, RollbackQuery);
        const projection = projectionOf(c);
        const { databaseOf, registry, clock } = c.var.runtime;
        const at = timestamp(clock);
        const revisions = registry.revisionsOf(projection.name);
        for (let tries = 0; tries < ROLLBACK_TRIES; tries += 1) {
          const done = await rollback(databaseOf(projection.group), projection.name, revisions, at, slot);
          if (done.outcome === 'no-former') throw noWayBack(projection);
          if (done.outcome === 'changed') return c.json(liveAnswer(projection, done.live));
          if (done.outcome === 'behind') {
            throw new Problem('wrong-state', 'The former slot is behind the live slot: rebuild instead.');
          }
          if (done.outcome === 'no-code') {
            const { revision } = done.live;
            const detail = `The former slot holds revision ${revision}, which this Worker has no code for. Deploy a Worker with its code, then roll back.`;
            throw new Problem('wrong-state', detail, { revision });
          }
        }
        throw new Problem('overloaded', 'Another request keeps changing the live slot. Retry later.');
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/release',
    operation: {
      ...COMMON,
      access: OPERATES,
      id: 'releaseProjection',
      summary: 'Release the former slot',
      description:
        'Stops updating the slot that was live before the last swap, which costs as much as the live slot. A rollback to it is not possible after this.',
      params: ProjectionParams,
      answers: { 204: { description: 'Released.' } },
      problems: [...NOT_THERE, 'wrong-state'],
    },
    handlers: [
      async (c) => {
        const projection = projectionOf(c);
        const isReleased = await release(c.var.runtime.databaseOf(projection.group), projection.name);
        if (!isReleased) throw noWayBack(projection);
        return c.body(null, 204);
      },
    ],
  },
];

/** Builds of projections: start, watch, cancel and accept. And after the swap: roll back, release. */
export const rebuildRoutes: readonly Route[] = routes.map(withHonestFaults);

/** A database that gave no answer may have made the change or not. A route that changes something then answers `outcome-unknown`. */
function withHonestFaults(route: Route): Route {
  const handler = route.handlers.at(-1) as Handler<AppEnv>;
  const isRead = route.method === 'GET';
  const honest: Handler<AppEnv> = async (c, next) => {
    try {
      return await handler(c, next);
    } catch (error) {
      if (error instanceof Problem || error instanceof OverloadedError) throw error;
      if (!isTransient(error)) throw asStorageFault(error);
      if (isRead) throw new OverloadedError('the database does not answer', { cause: error });
      throw new OutcomeUnknownError('the database gave no answer', { cause: error });
    }
  };
  const problems = isRead ? route.operation.problems : [...route.operation.problems, 'outcome-unknown'];
  return { ...route, operation: { ...route.operation, problems }, handlers: [...route.handlers.slice(0, -1), honest] };
}

const ROLLBACK_TRIES = 5;

function noWayBack({ name }: Projection): Problem {
  return new Problem(
    'wrong-state',
    `${name} has no former slot that is kept up to date. Either no build was ever swapped in, or the slot was released or has failed, or a build is running. Rebuild the projection instead.`,
  );
}
