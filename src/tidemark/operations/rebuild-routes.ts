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
import type { Route } from '../http/route.ts';
import { Uuid, described } from '../http/schemas.ts';
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

function toView(build: Build) {
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
    differences: build.comparison === null ? null : (JSON.parse(build.comparison) as object),
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
async function reread(c: AppContext, projection: Projection, id: string) {
  const build = await buildOf(c.var.runtime.databaseOf(projection.group), projection.name, id);
  if (!build) throw noSuchBuild();
  return toView(build);
}

const NOT_THERE = ['invalid-id', 'invalid-field', 'not-found', 'overloaded', 'storage-unavailable'] as const;

function liveAnswer(projection: Projection, { revision, slot }: Target): object {
  return { projection: projection.name, revision, slot };
}

const routes: readonly Route[] = [
  {
    method: 'POST',
    path: '/projections/:name/rebuild',
    operation: {
      access: OPERATES,
      id: 'rebuildProjection',
      params: ProjectionParams,
      query: RebuildQuery,
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
      access: SEES,
      id: 'getRebuild',
      params: BuildParams,
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
      access: OPERATES,
      id: 'cancelRebuild',
      params: BuildParams,
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
      access: OPERATES,
      id: 'acceptRebuild',
      params: BuildParams,
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
      access: OPERATES,
      id: 'rollBackProjection',
      params: ProjectionParams,
      query: RollbackQuery,
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
      access: OPERATES,
      id: 'releaseProjection',
      params: ProjectionParams,
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
