import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { evening } from '../seats.ts';
import { reserve, turnOver } from './seat-aggregate.ts';
import { night, seatObject } from './seat-object.ts';

type Fate = 'arrives' | 'arrives at one projection' | 'is lost' | 'throws' | 'throws after it arrived';

type Step =
  | { readonly type: 'command' }
  | { readonly type: 'alarm' }
  | { readonly type: 'evict' }
  /** A reader brings one projection up to the head. */
  | { readonly type: 'read'; readonly projection: string };

const PROJECTIONS = { evening: ['seat-map', 'waiting-list'], night: ['takings'] } as const;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'command' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'alarm' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ type: 'evict' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      projection: fc.constantFrom('seat-map', 'waiting-list', 'takings'),
    }),
  },
);
const fate = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom<Fate>('arrives', 'throws', 'throws after it arrived') },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('arrives at one projection', 'is lost') },
);
const outage = fc.integer({ min: 0, max: 4 }).map((number) => number === 0);

test('every projection gets every event in the end, whatever happens to messages, objects and databases, without another command (I7, I18)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 15 }),
      fc.infiniteStream(fate),
      fc.infiniteStream(outage),
      async (steps, fates, outages) => {
        const object = seatObject();
        const { around, reached, storage, alarm } = object;
        around.groupsOf = () => [evening, night];
        for (const [group, projections] of Object.entries(PROJECTIONS)) {
          reached.set(group, new Map(projections.map((projection) => [projection, 0])));
        }
        let isCalm = false;

        function bring(projection: string, version: number): void {
          for (const group of reached.values()) {
            const at = group.get(projection);
            if (typeof at === 'number') group.set(projection, Math.max(at, version));
          }
        }
        around.send = async ({ name }, { toVersion }) => {
          const its = isCalm ? 'arrives' : (fates.next().value as Fate);
          const projections = [...(reached.get(name)?.keys() ?? [])];
          if (its === 'throws') throw new Error('no queue');
          if (its === 'arrives' || its === 'throws after it arrived')
            for (const projection of projections) bring(projection, toVersion);
          if (its === 'arrives at one projection') bring(projections[0] ?? '', toVersion);
          if (its === 'throws after it arrived') throw new Error('connection lost');
        };
        const { versionsReached } = around;
        around.versionsReached = async (...args) => {
          if (!isCalm && outages.next().value) throw new Error('overloaded');
          return versionsReached(...args);
        };
        const head = () => storage.head()?.version ?? 0;

        await object.run(reserve('Ada'));
        for (const next of steps) {
          if (next.type === 'command') await object.run(turnOver('Bob'));
          if (next.type === 'alarm' && alarm.dueAt !== null) await object.nextAlarm();
          if (next.type === 'evict') object.evict();
          if (next.type === 'read') bring(next.projection, head());
        }
        await object.settled();

        isCalm = true;
        for (let alarms = 0; alarm.dueAt !== null; alarms += 1) {
          expect(alarms).toBeLessThan(20);
          await object.nextAlarm();
          await object.settled();
        }
        expect([...reached.values()].flatMap((group) => [...group.values()])).toEqual([head(), head(), head()]);
        expect(storage.attempt()).toBe(0);
      },
    ),
    { numRuns: 1_000 },
  );
});
