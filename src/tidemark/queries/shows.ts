import type { Seen } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import { runGuarded } from './guarded-query.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { unmetOf } from './standing.ts';

/** Whether a projection shows at least what a client has seen of a stream, and no lost history of it. Asks the primary, in one statement. */
export async function shows(
  { databaseOf, pointers }: Pick<SystemContext, 'databaseOf' | 'pointers'>,
  projection: Projection,
  stream: StreamId,
  seen: Seen,
): Promise<boolean> {
  const database = databaseOf(projection.group);
  const pointer = await pointers.get(database, projection.name);
  if (!pointer) return false;
  const query = { projectionName: projection.name, pointer, streams: [stream], queries: {} };
  const { isThisEpoch, standings } = await runGuarded(database, query);
  if (isThisEpoch) return unmetOf(new Map([[stream, seen]]), standings).length === 0;
  pointers.drop(projection.name);
  return false;
}
