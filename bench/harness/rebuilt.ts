import { setTimeout as sleep } from 'node:timers/promises';

import { apiClient } from '../../scripts/api-client.ts';
import { buildOf, startBuild } from '../../scripts/projections/builds.ts';
import type { Server } from './server.ts';

/** Each look takes a little from what is looked at. */
const LOOK_EVERY_MS = 100;

/** How long a rebuild took. */
export interface Rebuilt {
  readonly events: number;
  /** From the empty slot until all events that were archived at the start were in it. */
  readonly replayMs: number;
  /** From the request to the swap: clearing, replay, gaps and comparison. */
  readonly wholeMs: number;
  /** The most memory that the runtime resided in meanwhile. */
  readonly peakBytes: number;
}

/** Has a projection of the serving database built anew, and waits until the build is what is live. */
export async function rebuilt(server: Server, projection: string): Promise<Rebuilt> {
  const api = apiClient(server.url);
  const { build: started, isNew } = await startBuild(api, projection, {});
  if (!isNew) throw new Error(`somebody else builds ${projection} already`);
  let build = started;
  let replayedAt: string | undefined;
  let peakBytes = server.residentBytes();
  while (build.state === 'building' || build.state === 'comparing') {
    await sleep(LOOK_EVERY_MS);
    build = await buildOf(api, projection, build.id);
    peakBytes = Math.max(peakBytes, server.residentBytes());
    if (build.replayed >= build.total) replayedAt ??= build.updatedAt;
  }
  if (build.state !== 'swapped' || build.endedAt === null || replayedAt === undefined) {
    throw new Error(
      `the build of ${projection} is ${build.state}: ${JSON.stringify(build.error ?? build.differences)}`,
    );
  }
  // The API does not tell when the slot was empty.
  const sql = `SELECT cleared_at FROM projection_build WHERE id = '${build.id}'`;
  const clearedAt = (await server.query<{ cleared_at: string }>('SERVING_DB', sql))[0]?.cleared_at ?? '';
  return {
    events: build.replayed,
    replayMs: Date.parse(replayedAt) - Date.parse(clearedAt),
    wholeMs: Date.parse(build.endedAt) - Date.parse(build.startedAt),
    peakBytes,
  };
}
