import { setTimeout as sleep } from 'node:timers/promises';

import { apiClient } from '../../scripts/api-client.ts';
import { buildOf, startBuild } from '../../scripts/projections/builds.ts';
import type { Server } from './server.ts';

const MEMORY_EVERY_MS = 100;

/** The API does not tell when all events were replayed, and what looks for it is in the way. */
const NOTED = [
  `CREATE TABLE IF NOT EXISTS bench_replayed (build TEXT PRIMARY KEY, at TEXT NOT NULL)`,
  `CREATE TRIGGER IF NOT EXISTS bench_note_replayed AFTER UPDATE OF replayed ON projection_build
  WHEN new.replayed >= new.total
  BEGIN
    INSERT INTO bench_replayed VALUES (new.id, new.updated_at) ON CONFLICT DO NOTHING;
  END`,
];

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

/**
 * Has a projection of the serving database built anew, and waits until the build is what is live. Whether it is, is looked at seldom unless
 * said otherwise: a build makes way for whoever looks at it, and ten looks a second took a third of its rate.
 */
export async function rebuilt(server: Server, projection: string, lookEveryMs = 2_000): Promise<Rebuilt> {
  const api = apiClient(server.url);
  await server.batch(
    'SERVING_DB',
    NOTED.map((sql) => ({ sql })),
  );
  const { build: started, isNew } = await startBuild(api, projection, {});
  if (!isNew) throw new Error(`somebody else builds ${projection} already`);
  const memory = watched(() => server.residentBytes());
  let build = started;
  while (build.state === 'building' || build.state === 'comparing') {
    await sleep(lookEveryMs);
    build = await buildOf(api, projection, build.id);
  }
  const peakBytes = memory.stop();
  if (build.state !== 'swapped' || build.endedAt === null) {
    throw new Error(
      `the build of ${projection} is ${build.state}: ${JSON.stringify(build.error ?? build.differences)}`,
    );
  }
  const [times] = await server.query<{ cleared: string; replayed: string }>(
    'SERVING_DB',
    `SELECT b.cleared_at AS cleared, r.at AS replayed FROM projection_build AS b
    JOIN bench_replayed AS r ON r.build = b.id WHERE b.id = '${build.id}'`,
  );
  if (!times) throw new Error(`nothing noted when the build of ${projection} had replayed all events`);
  return {
    events: build.replayed,
    replayMs: Date.parse(times.replayed) - Date.parse(times.cleared),
    wholeMs: Date.parse(build.endedAt) - Date.parse(build.startedAt),
    peakBytes,
  };
}

/** The largest of some values over time. */
function watched(value: () => number): { readonly stop: () => number } {
  let largest = value();
  const timer = setInterval(() => (largest = Math.max(largest, value())), MEMORY_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return largest;
    },
  };
}
