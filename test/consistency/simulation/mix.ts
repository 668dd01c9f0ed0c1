import { type SeededRandom, seededRandom } from '../../../src/tidemark/testing/seeded-random.ts';

/** All faults, by name. A rate is the chance of the fault at each opportunity. */
const FAULTS = [
  'queue.drop',
  'queue.duplicate',
  'queue.reorder',
  'queue.delay',
  'queue.partial-ack',
  'queue.consumer-dies',
  'send.fails',
  'send.hangs-then-throws',
  'send.accepted-but-throws',
  'd1.fails-before',
  'd1.fails-in-the-middle',
  'd1.answer-lost',
  'd1.overloaded',
  'd1.hangs',
  'd1.stale-replica',
  'object.crash',
  'object.evicted',
  'object.overloaded',
  'rpc.request-lost',
  'rpc.answer-lost',
  'rpc.hangs',
  'alarm.late',
  'alarm.twice',
  'clock.jumps',
  'client.hangs-up',
  'isolate.restart',
  'poison.handler',
  'token.key-rotated',
  'token.of-the-future',
  'token.of-another-key',
  'token.of-a-retired-read-model',
  'deploy.under-way',
  'aggregate.hot',
  'build.crash',
] as const;

/**
 * Faults that came later. They are drawn by a chance of their own: a seed without them is the run that it was before, and so is a seed
 * from which they are cut.
 */
const LATER_FAULTS = [
  /** An object's log is set back to an earlier version, as a point-in-time restore does. */
  'object.restored',
  /** A group's database is set back to an earlier moment. */
  'd1.restored',
  /** A database accepts no writes until the operator makes room. */
  'd1.full',
  /** An SQL error that is no constraint, at one stream or at a whole projection. */
  'd1.sql-error',
  /** An object applied the request, and is reset under load before it answers. */
  'object.reset-after-commit',
  /** The spending limit of the account stops a call to an object. */
  'object.over-the-limit',
] as const;

/** Faults that strike this much more seldom than others: each is a disaster. */
const RARITY: Readonly<Partial<Record<Fault, number>>> = { 'object.restored': 0.4, 'd1.restored': 0.4 };

export const ALL_FAULTS = [...FAULTS, ...LATER_FAULTS] as const;

export type Fault = (typeof ALL_FAULTS)[number];

/** So many more operations there are in a run whose operator takes time. */
const OPERATIONS_MEANWHILE = 40;

/** What one seed draws: how much of everything there is in its run (swarm testing, Groce and others 2012). */
export interface Mix {
  readonly seed: number;
  readonly clients: number;
  /** Operations of all clients together. */
  readonly operations: number;
  /** Workers that serve at the same time, each with caches of its own. */
  readonly isolates: number;
  readonly rates: Readonly<Partial<Record<Fault, number>>>;
  /** The preference for streams that are hot already, from 0 to 1. */
  readonly heat: number;
  /** How much each kind of thing that a client may do weighs, by the domain's own names; 1 where it is not named. */
  readonly weight: (intent: string) => number;
  /** The chance of each action at a step. */
  readonly pace: {
    readonly clients: number;
    readonly queue: number;
    readonly alarms: number;
    readonly operator: number;
  };
  readonly snapshotEvery: number;
  readonly coalesceMs: number;
  /** Whether Workers apply events after their answers. In the other runs, all of it is left to queues and readers. */
  readonly appliesAfterAnswer: boolean;
  /** Operations on projections: rebuilds, rollbacks, replays, sweeps. */
  readonly operates: boolean;
  /** The operator takes time for one rebuild and the way back from it, and the traffic goes on until that is done. */
  readonly maintains: boolean;
}

/** What of a mix may be taken away, to make a failing run smaller. */
export interface Cuts {
  readonly operations?: number | undefined;
  readonly clients?: number | undefined;
  readonly without?: readonly Fault[] | undefined;
  readonly operates?: boolean | undefined;
}

/** The mix of a seed. */
export function mixOf(seed: number, cuts: Cuts = {}): Mix {
  const random = seededRandom(seed * 2_654_435_761 + 1);
  const few = 1 + random.below(5);
  const operations = 15 + random.below(40);
  const isolates = 1 + random.below(3);
  // A quiet run shows what must hold without faults; most have a few kinds, some nearly all of them.
  const share = [0, 0.15, 0.3, 0.3, 0.5, 0.9][random.below(6)] as number;
  const strength = [0.02, 0.05, 0.1, 0.25][random.below(4)] as number;
  const later = seededRandom(seed * 40_503 + 7);
  const drawn = (faults: readonly Fault[], by: SeededRandom) =>
    faults.flatMap((fault): [Fault, number][] => {
      const isIn = by.next() < share;
      const rate = strength * (0.3 + by.next()) * (RARITY[fault] ?? 1);
      return isIn && !cuts.without?.includes(fault) ? [[fault, rate]] : [];
    });
  const rates: Mix['rates'] = Object.fromEntries([...drawn(FAULTS, random), ...drawn(LATER_FAULTS, later)]);
  const isHot = rates['aggregate.hot'] !== undefined;
  const drawnHeat = random.next();
  const heat = isHot ? 1 : drawnHeat;
  const clients = isHot ? Math.max(few, 4) : few;
  const weightSeed = random.below(1_000_000);
  const pace = {
    clients: 0.15 + random.next() * 0.6,
    queue: random.next() < 0.1 ? 0 : 0.05 + random.next() * 0.4,
    alarms: random.next() * 0.3,
    operator: 0.02 + random.next() * 0.12,
  };
  const snapshotEvery = 1 + random.below(6);
  const coalesceMs = [0, 20, 200][random.below(3)] as number;
  const operates = random.next() < 0.6 && (cuts.operates ?? true);
  const maintains = operates && seededRandom(seed * 7_919 + 11).next() < 0.25;
  const all = operations + (maintains ? OPERATIONS_MEANWHILE : 0);
  return {
    seed,
    clients: Math.min(clients, cuts.clients ?? clients),
    operations: Math.min(all, cuts.operations ?? all),
    isolates,
    rates,
    heat,
    weight: (intent) => weightOf(weightSeed, intent),
    pace,
    snapshotEvery,
    coalesceMs,
    appliesAfterAnswer: seededRandom(seed * 104_729 + 13).next() < 0.5,
    operates,
    maintains,
  };
}

/** Mostly a little more or less; now and then not at all, or a lot. */
function weightOf(seed: number, intent: string): number {
  let hash = seed;
  for (const letter of intent) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  const random: SeededRandom = seededRandom(hash);
  const drawn = random.next();
  if (drawn < 0.12) return 0;
  return drawn > 0.9 ? 5 : 0.5 + random.next();
}
