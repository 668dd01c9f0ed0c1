import { env as bindings } from 'cloudflare:workers';

import { shapeOf } from '../../../src/tidemark/projections/slot-tables.ts';
import { upkeepStep } from '../../../src/tidemark/rebuild/upkeep.ts';
import type { Registry } from '../../../src/tidemark/projections/registry.ts';
import { replaceTimers } from '../../../src/tidemark/platform/timeout.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { groups } from '../../support/groups.ts';
import { choicesOf } from './choices.ts';
import { Client } from './clients.ts';
import type { Counts } from './counters.ts';
import { setCurrentWorld } from './current.ts';
import type { ProjectionTables } from './database-troubles.ts';
import type { Logs, SimulatedDomain } from './domain.ts';
import { emptyStorage } from './empty-storage.ts';
import { Isolates, type System } from './isolates.ts';
import { judge } from './judgement.ts';
import { readLogLines } from './log-lines.ts';
import { type Cuts, mixOf } from './mix.ts';
import { Operator } from './operator.ts';
import { Peace } from './peace.ts';
import { Restorer } from './restorer.ts';
import { StuckError } from './scheduler.ts';
import type { ClientPorts } from './session.ts';
import { afterAnswerOptions, aggregateOptions, relayOptions } from './simulated-platform.ts';
import { Steps } from './steps.ts';
import { Traffic, type RunParts } from './traffic.ts';
import { World } from './world.ts';

/** How a run ended. */
export interface RunResult {
  readonly seed: number;
  /** What judgement found, in plain words; empty: nothing is wrong. */
  readonly verdicts: readonly string[];
  /** Why the run could not be brought to its end, which is no judgement. */
  readonly troubles: readonly string[];
  /** Over every answer that a client saw and every row of every log. */
  readonly traceHash: string;
  readonly counts: Counts;
  readonly operations: number;
  readonly steps: number;
}

export interface RunRequest {
  readonly seed: number;
  readonly cuts?: Cuts;
  /** False: no check judges the run. */
  readonly isJudged?: boolean;
}

/** Runs one seed: traffic and faults as its mix has them, then peace, then judgement. */
export async function runSeed(
  system: System,
  domains: readonly SimulatedDomain[],
  { seed, cuts = {}, isJudged = true }: RunRequest,
): Promise<RunResult> {
  await emptyStorage(domains);
  const mix = mixOf(seed, cuts);
  const pairs = new Map([
    [serving, { primary: bindings.SERVING_DB, replica: bindings.SERVING_REPLICA }],
    [reporting, { primary: bindings.REPORTING_DB, replica: bindings.REPORTING_REPLICA }],
  ]);
  runs += 1;
  const world = new World(mix, `run${runs}`, pairs);
  setCurrentWorld(world);
  replaceTimers((ms, ring) => world.scheduler.setTimer(ms, ring));
  aggregateOptions.snapshotEvery = mix.snapshotEvery;
  relayOptions.coalesceMs = mix.coalesceMs;
  afterAnswerOptions.isOn = mix.appliesAfterAnswer;
  const restoreLog = readLogLines(world);
  try {
    return await new Run(system, domainOf(seed, domains), world, isJudged).toTheEnd();
  } finally {
    restoreLog();
    replaceTimers();
  }
}

let runs = 0;

/** One domain a run, the first in three of four: which one is the seed's choice too. */
function domainOf(seed: number, domains: readonly SimulatedDomain[]): SimulatedDomain {
  const others = seed % 4 === 3 ? domains.slice(1) : [];
  return (others[Math.floor(seed / 4) % others.length] ?? domains[0]) as SimulatedDomain;
}

/** The tables of every projection, of both slots. */
function tablesOf(registry: Registry): readonly ProjectionTables[] {
  return groups.flatMap((group) =>
    registry.projectionsOf(group).map(({ name, follows, tables }) => ({
      name,
      group,
      categories: Object.keys(follows),
      tables: (['a', 'b'] as const).flatMap((slot) => Object.values(tables(slot)).map((table) => shapeOf(table).name)),
    })),
  );
}

class Run {
  readonly #world: World;
  readonly #isJudged: boolean;
  readonly #domain;
  readonly #parts: RunParts;

  constructor(system: System, domain: SimulatedDomain, world: World, isJudged: boolean) {
    const { seed, clients } = world.mix;
    this.#world = world;
    this.#isJudged = isJudged;
    this.#domain = domain.begin({ seed });
    const choices = choicesOf(seed * 31 + 5);
    const isolates = new Isolates(system, world, choices);
    const ports: ClientPorts = {
      world,
      fetch: (request, env, context) => isolates.fetch(request, env, context),
      isolates: () => isolates.all,
      codec: () => isolates.codec(),
      domain: this.#domain,
      recorder: world.recorder,
    };
    const { registry } = isolates.runtime;
    const projections = groups.flatMap((group) => registry.projectionsOf(group));
    const namesOf = (isArchive: boolean) =>
      projections.filter(({ everyEvent }) => (everyEvent !== undefined) === isArchive).map(({ name }) => name);
    const tables = tablesOf(registry);
    this.#parts = {
      world,
      isolates,
      clients: Array.from({ length: clients }, (_, index) => new Client(ports, index)),
      operator: new Operator({
        world,
        fetch: ports.fetch,
        isolates: ports.isolates,
        projections: namesOf(false),
        archives: namesOf(true),
        upkeep: async () => {
          const { released, cleared } = await upkeepStep(isolates.runtime);
          if (released > 0) world.count('former slot released');
          if (cleared > 0) world.count('unused slot cleared');
        },
      }),
      steps: new Steps(world, isolates, choices),
      choices,
      tables,
      restorer: new Restorer(world, isolates, choices, tables),
    };
  }

  async toTheEnd(): Promise<RunResult> {
    const world = this.#world;
    const troubles = await this.#play();
    const { failure } = world.scheduler;
    if (failure !== undefined) troubles.push(`the simulation itself: ${String((failure as Error).stack)}`);
    const logs = await world.objects.logs();
    return {
      seed: world.mix.seed,
      verdicts: this.#isJudged ? await this.#verdicts(logs, troubles.length === 0) : [],
      troubles,
      traceHash: await world.recorder.traceHash(logs),
      counts: world.counters.toCounts(),
      operations: world.recorder.operations.length,
      steps: this.#parts.steps.taken,
    };
  }

  /** Returns why it could not be brought to its end. */
  async #play(): Promise<string[]> {
    const traffic = new Traffic(this.#parts);
    const peace = new Peace(this.#parts);
    try {
      while (!traffic.isOver) await traffic.step();
      await peace.begin();
      await peace.comeToRest();
      await peace.finishFeeds();
      await countCheckpoints(this.#world);
      return [];
    } catch (error) {
      return [`stuck: ${error instanceof StuckError ? error.message : String((error as Error).stack)}`];
    }
  }

  /** The violations. A run that did not come to rest cannot be judged by its state at rest. */
  async #verdicts(logs: Logs, isAtRest: boolean): Promise<readonly string[]> {
    if (!isAtRest) return this.#world.verdicts;
    const { isolates } = this.#parts;
    const found = await judge({
      logs,
      operations: this.#world.recorder.operations,
      setBacks: this.#world.setBacks,
      domain: this.#domain,
      registry: isolates.runtime.registry,
      get: (path) => isolates.get(path),
      now: this.#world.scheduler.now,
    });
    return [...found, ...this.#world.verdicts];
  }
}

/** Counts the streams in which projections stand together at the end, and those in which one stands beside the others. */
async function countCheckpoints(world: World): Promise<void> {
  for (const database of [bindings.SERVING_DB, bindings.REPORTING_DB]) {
    const row = await database
      .prepare(
        `SELECT count(*) AS shared, coalesce(sum(EXISTS (SELECT 1 FROM checkpoint AS c WHERE c.stream = s.stream)), 0) AS apart
        FROM shared_checkpoint AS s`,
      )
      .first<{ shared: number; apart: number }>();
    if (row && row.shared > 0) world.count('projections stand together');
    if (row && row.apart > 0) world.count('a projection stands beside others that stand together');
  }
}
