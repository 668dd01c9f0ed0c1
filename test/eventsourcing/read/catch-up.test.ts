import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { catchUp } from '../../../src/eventsourcing/read/catch-up.ts';
import { pointerCache } from '../../../src/eventsourcing/read/pointer.ts';
import { boardOf, checkpointOf } from '../../support/boards.ts';
import { add, newTally, system } from '../../support/system.ts';
import { tallyBoard } from '../../support/tally.ts';

it('holds no more events at a time than it may, however many streams are behind', async () => {
  const tallies = Array.from({ length: 5 }, newTally);
  for (let round = 1; round <= 7; round += 1) await Promise.all(tallies.map(({ tallyId }) => add(tallyId, round)));
  const limits: number[] = [];
  const ports = {
    database: env.SERVING_DB,
    pointers: pointerCache(),
    loadEvents: (...[stream, fromVersion, limit]: Parameters<typeof system.aggregates.load>) => {
      limits.push(limit);
      return system.aggregates.load(stream, fromVersion, limit);
    },
    revisionOf: system.registry.revisionOf,
    failTarget: () => Promise.reject(new Error('no target fails here')),
    now: Date.now,
    random: Math.random,
    report: () => undefined,
  };
  const requests = tallies.map(({ stream }) => ({ stream, wanted: 'head' as const }));
  const { applied } = await catchUp(ports, tallyBoard.name, requests, { maxEvents: 10 });

  expect(Math.max(...limits.slice(0, tallies.length))).toBe(2);
  expect(applied).toBe(4 * tallies.length);
  for (const { tallyId, stream } of tallies) {
    expect(await checkpointOf(stream, tallyBoard.name, 'a')).toBe(7);
    expect(await boardOf(tallyId, 'a')).toMatchObject({ version: 7, sum: 28 });
  }
});
