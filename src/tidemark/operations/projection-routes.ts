import { type ProjectionStatus, projectionStatuses } from '../monitoring/projection-status.ts';
import type { Route } from '../http/route.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';
import { SEES } from './operations-access.ts';

export const projectionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projections',
    operation: {
      id: 'listProjections',
      access: SEES,
      problems: [],
    },
    handlers: [
      async (c) => {
        return c.json({ items: (await projectionStatuses(c.var.runtime)).map(toView) });
      },
    ],
  },
  {
    method: 'GET',
    path: '/projections/:name',
    operation: {
      id: 'getProjection',
      params: ProjectionParams,
      access: SEES,
      problems: ['not-found'],
    },
    handlers: [
      async (c) => {
        const { name } = projectionOf(c);
        const [found] = await projectionStatuses(c.var.runtime, name);
        return c.json(toView(found as ProjectionStatus));
      },
    ],
  },
];

/** Makes the answer of a status: adds the path of its build. */
function toView(status: ProjectionStatus): object {
  const { name, group, mode, revision, codeRevision, slot, state, lag, rate, stalled } = status;
  const { deadLetters, fault, build, rollback } = status;
  return {
    name,
    group,
    mode,
    revision,
    codeRevision,
    slot,
    state,
    lag,
    rate,
    stalled,
    deadLetters,
    fault,
    build: build && { ...build, location: `/projections/${name}/rebuilds/${build.id}` },
    rollback,
  };
}
