import * as z from 'zod/mini';

import type { Projection } from '../projections/projection.ts';
import type { AppContext } from '../http/app-env.ts';
import { Problem } from '../http/problem.ts';
import { described } from '../http/schemas.ts';

/** The path parameter of every route about one projection. */
export const ProjectionParams = z.strictObject({ name: described(z.string(), 'The name of the projection.') });

/** The newest revision of the projection that the path names. Throws 404 with the existing names if there is none. */
export function projectionOf(c: AppContext): Projection {
  const { registry } = c.var.runtime;
  const name = c.req.param('name') ?? '';
  const projection = registry.revisionsOf(name).at(-1);
  if (projection) return projection;
  const names = registry.groups.flatMap((group) => registry.projectionsOf(group).map((known) => known.name));
  throw new Problem('not-found', `There is no projection ${name}. Use one of: ${names.join(', ')}.`, {
    names,
  });
}
