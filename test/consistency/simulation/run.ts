import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env as bindings } from 'cloudflare:workers';

import type { Env } from '../../../src/bindings.ts';
import { tokenCodec } from '../../../src/eventsourcing/read/token-codec.ts';
import { seededRandom } from '../../../src/eventsourcing/testing/seeded-random.ts';
import type { StreamId } from '../../../src/eventsourcing/stream.ts';
import { replaceTimers } from '../../../src/eventsourcing/timeout.ts';
import { groups, reporting, serving } from '../../../src/groups.ts';
import { Client } from './clients.ts';
import type { Counts } from './counters.ts';
import { setCurrentWorld } from './current.ts';
import { type Logs, type SimulatedDomain, canonical } from './domain.ts';
import { emptyStorage } from './empty-storage.ts';
import { judge } from './judgement.ts';
import { readLogLines } from './log-lines.ts';
import { type Cuts, type Mix, mixOf } from './mix.ts';
import { Operator } from './operator.ts';
import { Recorder } from './recorder.ts';
import { type Gate, StuckError, turn } from './scheduler.ts';
import type { Isolate } from './session.ts';
import { aggregateOptions, relayOptions, type simulatedSystem, withFormerCode } from './simulated-platform.ts';
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

type System = ReturnType<typeof simulatedSystem>;

const MAX_STEPS = 5_000;
const FIRST_KEY = 'key-0';

export interface RunRequest {
  readonly seed: number;
  readonly cuts?: Cuts;
  /** False: nobody looks at what came of it. */
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
  const restoreLog = readLogLines(world);
  try {
    return await new Run(system, domains, world, isJudged).toTheEnd();
  } finally {
    restoreLog();
    replaceTimers();
  }
}

let runs = 0;

class Run {
  readonly #system: System;
  readonly #world: World;
  readonly #mix: Mix;
  readonly #isJudged: boolean;
  readonly #recorder = new Recorder();
  readonly #clients: readonly Client[];
  readonly #operator: Operator;
  readonly #domain;
  readonly #chance;
  #isolates: Isolate[] = [];
  #keys: readonly string[] = [FIRST_KEY];
  #started = 0;
  #steps = 0;
  /** The gates that were passed last. */
  readonly #lately: string[] = [];

  constructor(system: System, domains: readonly SimulatedDomain[], world: World, isJudged: boolean) {
    const { mix } = world;
    this.#system = system;
    this.#world = world;
    this.#mix = mix;
    this.#isJudged = isJudged;
    // One domain a run, the first in three of four: which one is the seed's choice too.
    const others = mix.seed % 4 === 3 ? domains.slice(1) : [];
    const domain = (others[Math.floor(mix.seed / 4) % others.length] ?? domains[0]) as SimulatedDomain;
    this.#domain = domain.begin({ seed: mix.seed });
    this.#chance = seededRandom(mix.seed * 31 + 5);
    this.#isolates = Array.from({ length: mix.isolates }, (_, index) => this.#newIsolate(index));
    const ports = {
      world,
      fetch: (request: Request, env: Env, context: ExecutionContext) => this.#fetch(request, env, context),
      isolates: () => this.#isolates,
      codec: () => tokenCodec([this.#keys[0] ?? FIRST_KEY, ...this.#keys.slice(1)]),
      domain: this.#domain,
      recorder: this.#recorder,
    };
    this.#clients = Array.from({ length: mix.clients }, (_, index) => new Client(ports, index));
    this.#operator = new Operator({
      world,
      fetch: ports.fetch,
      isolates: ports.isolates,
      projections: groups.flatMap((group) =>
        this.#runtime(0)
          .registry.projectionsOf(group)
          .filter(({ everyEvent }) => !everyEvent)
          .map(({ name }) => name),
      ),
    });
  }

  async toTheEnd(): Promise<RunResult> {
    const troubles: string[] = [];
    try {
      while (!this.#isOver) await this.#step();
      await this.#makePeace();
      await this.#comeToRest();
      await this.#finishFeeds();
    } catch (error) {
      troubles.push(`stuck: ${error instanceof StuckError ? error.message : String((error as Error).stack)}`);
    }
    const { failure } = this.#world.scheduler;
    if (failure !== undefined) troubles.push(`the simulation itself: ${String((failure as Error).stack)}`);
    const logs = await this.#logs();
    return {
      seed: this.#mix.seed,
      verdicts: this.#isJudged ? await this.#verdicts(logs, troubles.length === 0) : [],
      troubles,
      traceHash: await this.#traceHash(logs),
      counts: this.#world.counters.toCounts(),
      operations: this.#recorder.operations.length,
      steps: this.#steps,
    };
  }

  /** What is wrong. A run that did not come to rest cannot be judged by what there is at rest. */
  async #verdicts(logs: Logs, isAtRest: boolean): Promise<readonly string[]> {
    if (!isAtRest) return this.#world.verdicts;
    const found = await judge({
      logs,
      operations: this.#recorder.operations,
      domain: this.#domain,
      registry: this.#runtime(0).registry,
      get: (path) => this.#get(path),
      now: this.#world.scheduler.now,
    });
    return [...found, ...this.#world.verdicts];
  }

  get #isOver(): boolean {
    return this.#started >= this.#mix.operations && this.#clients.every(({ isBusy, owes }) => !isBusy && !owes);
  }

  /** The next thing that happens. */
  async #step(): Promise<void> {
    const world = this.#world;
    this.#count();
    world.tearAway();
    await this.#maybeSomethingHappens();
    const { pace } = this.#mix;
    const ready = world.scheduler.ready();
    const idle = this.#clients.filter(({ isBusy, owes }) => !isBusy && (owes || this.#started < this.#mix.operations));
    const due = world.objects.due(world.scheduler.now);
    const queues = world.queues.filter(({ isReady }) => isReady);
    const again = world.objects.takeAgain();
    const choices: [number, () => Promise<void>][] = [];
    if (ready.length > 0) choices.push([1, () => this.#pass(ready)]);
    if (idle.length > 0) choices.push([pace.clients, () => this.#act(idle)]);
    if (queues.length > 0) choices.push([pace.queue, () => this.#deliver(this.#pick(queues))]);
    if (due.length > 0) choices.push([pace.alarms, () => this.#alarm(this.#pick(due))]);
    if (again !== undefined) choices.push([1, () => world.objects.runAlarm(again, true)]);
    if (world.builds.hasWork) choices.push([0.3, () => this.#startBuild()]);
    if (this.#mix.operates && !this.#operator.isBusy) choices.push([pace.operator, () => this.#operator.act()]);
    choices.push([0.1, () => this.#wait(choices.length === 1)]);
    let at = this.#chance.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of choices) {
      at -= weight;
      if (at >= 0) continue;
      await act();
      return;
    }
  }

  async #pass(ready: readonly Gate[]): Promise<void> {
    // Things take time.
    this.#world.scheduler.now += this.#chance.below(4);
    const gate = this.#pick(ready);
    this.#lately.push(`${this.#world.scheduler.now}: ${gate.label} of ${gate.actor.name}`);
    if (this.#lately.length > 20) this.#lately.shift();
    await this.#world.scheduler.pass(gate);
  }

  async #act(idle: readonly Client[]): Promise<void> {
    this.#started += 1;
    await this.#pick(idle).act(this.#clients);
  }

  async #deliver(queue: World['queues'][number]): Promise<void> {
    const { env, place } = this.#pick(this.#isolates);
    await queue.deliver(this.#system.handler, env, place);
  }

  async #alarm(stream: StreamId): Promise<void> {
    const world = this.#world;
    if (world.happens('alarm.late')) world.objects.alarmIs(stream, world.scheduler.now + world.between(1_000, 600_000));
    else await world.objects.runAlarm(stream);
  }

  async #startBuild(): Promise<void> {
    await this.#world.builds.start(this.#runtime(0).builds, this.#isolates[0]?.place ?? '');
  }

  /** Time goes by: a little, or, where nothing else can happen, up to the next thing that can. */
  async #wait(isAllThereIs: boolean): Promise<void> {
    const { scheduler } = this.#world;
    const next = this.#nextDue();
    if (next !== undefined && (isAllThereIs || this.#chance.next() < 0.2))
      scheduler.now = Math.max(scheduler.now, next);
    else scheduler.now += 1 + this.#chance.below(this.#chance.next() < 0.1 ? 5_000 : 100);
  }

  #nextDue(): number | undefined {
    const { scheduler, queues, objects } = this.#world;
    const all = [scheduler.nextDue(), ...queues.map((queue) => queue.nextDue()), objects.nextAlarm()];
    const due = all.flatMap((at) => (at === undefined ? [] : [at]));
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /** Faults that strike by themselves, and not what somebody does. */
  async #maybeSomethingHappens(): Promise<void> {
    const world = this.#world;
    const { streams } = world.objects;
    if (!this.#isSome(0.3)) return;
    if (streams.length > 0 && world.happens('object.crash')) await world.objects.crash(this.#pick(streams));
    if (streams.length > 0 && world.happens('object.evicted')) await world.objects.evict(this.#pick(streams));
    if (world.happens('clock.jumps')) {
      const place = this.#pick([...this.#isolates.map((isolate) => isolate.place), ...streams]);
      world.skews.set(place, world.between(-5_000, 5_000));
    }
    // Up to the new code, or back to the old: from one to the other and back, as deployments go.
    if (world.happens('isolate.restart') || world.happens('deploy.under-way')) this.#restart();
    if (world.happens('token.key-rotated')) {
      this.#keys = [`key-${this.#steps}`, ...this.#keys.slice(0, 1)];
      this.#isolates = this.#isolates.map((_, index) => this.#newIsolate(index));
    }
    if (world.happens('poison.handler')) {
      const name = this.#pick(this.#operator.projections);
      if (!world.broken.delete(name)) world.broken.add(name);
      world.everBroken.add(name);
    }
  }

  #isSome(share: number): boolean {
    return this.#chance.next() < share;
  }

  /** A Worker with nothing in memory takes the place of one. */
  #restart(): void {
    const index = this.#chance.below(this.#isolates.length);
    this.#isolates[index] = this.#newIsolate(index);
  }

  #newIsolate(index: number): Isolate {
    const [CAUSAL_TOKEN_KEY = FIRST_KEY, CAUSAL_TOKEN_PREVIOUS_KEY] = this.#keys;
    const keys = { CAUSAL_TOKEN_KEY, ...(CAUSAL_TOKEN_PREVIOUS_KEY !== undefined && { CAUSAL_TOKEN_PREVIOUS_KEY }) };
    const env = { ...bindings, ...keys };
    const isFormer = this.#world.isDeploying && this.#isSome(0.5);
    return { place: `isolate-${index}`, env: isFormer ? withFormerCode(env) : env };
  }

  #runtime(index: number) {
    return this.#system.runtimeOf((this.#isolates[index] as Isolate).env);
  }

  /** Nothing goes wrong any more: every Worker and every object has the code of today, and in the end handlers that work. */
  async #makePeace(): Promise<void> {
    const world = this.#world;
    const wasDeploying = world.isDeploying;
    world.heal();
    this.#keys = this.#keys.slice(0, 2);
    if (wasDeploying) {
      this.#isolates = this.#isolates.map((_, index) => this.#newIsolate(index));
      for (const stream of world.objects.streams) await world.objects.crash(stream);
    }
    if (this.#mix.operates && world.broken.size > 0) {
      // What is broken still stops its streams for good, and somebody decides about them.
      while (await this.#settleOne()) this.#count();
      await this.#operator.decide((work) => this.#whileSettling(work));
    }
    world.mend();
  }

  async #fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { fetch } = this.#system.handler;
    return (await fetch?.(request as never, env, context)) as Response;
  }

  // Peace.

  /** Everything that is still to be done is done, in whatever order: until nobody waits for anything any more. */
  async #comeToRest(): Promise<void> {
    const world = this.#world;
    for (let rounds = 0; rounds < 8; rounds += 1) {
      while (await this.#settleOne()) this.#count();
      if (!(await this.#operator.putRight((work) => this.#whileSettling(work)))) return;
    }
    world.count('put right more often than expected');
    throw new StuckError('there is always something left for the operator to put right');
  }

  async #whileSettling(work: Promise<void>): Promise<void> {
    const progress = { isDone: false };
    const end = () => (progress.isDone = true);
    work.then(end, end);
    while (!progress.isDone) {
      this.#count();
      if (!(await this.#settleOne())) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await work;
  }

  /** One more thing, if there is one. */
  async #settleOne(): Promise<boolean> {
    const world = this.#world;
    const { scheduler, objects } = world;
    const ready = scheduler.ready();
    const queue = world.queues.find(({ isReady }) => isReady);
    const due = objects.due(scheduler.now);
    if (ready.length > 0) await this.#pass(ready);
    else if (world.builds.hasWork) await this.#startBuild();
    else if (queue) await this.#deliver(queue);
    else if (due.length > 0) await this.#alarm(this.#pick(due));
    else {
      const next = this.#nextDue();
      if (next === undefined) return false;
      scheduler.now = Math.max(scheduler.now, next);
    }
    return true;
  }

  #count(): void {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) {
      const latest = this.#lately.map((what) => `  ${what}`).join('\n');
      throw new StuckError(`no rest after ${MAX_STEPS} steps; the latest:\n${latest}`);
    }
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#chance.below(items.length)] as Item;
  }

  /** Polls of the feed to its end, by everybody who has ever read it. */
  async #finishFeeds(): Promise<void> {
    for (const client of this.#clients)
      await client.finishFeed(async () => {
        this.#count();
        if (!(await this.#settleOne())) await turn();
      });
  }

  async #logs(): Promise<Logs> {
    const logs: Record<string, Awaited<ReturnType<World['objects']['log']>>> = {};
    for (const stream of this.#world.objects.streams) {
      const log = await this.#world.objects.log(stream);
      if (log.length > 0) logs[stream] = log;
    }
    return logs;
  }

  /** As a client without a token, once all is quiet. */
  async #get(path: string): Promise<unknown> {
    const context = createExecutionContext();
    const request = new Request(`https://tidemark.test${path}`, {
      headers: { Authorization: 'Bearer an-operations-key-for-tests' },
    });
    const answer = await this.#fetch(request, (this.#isolates[0] as Isolate).env, context);
    await waitOnExecutionContext(context);
    const body = await answer.json();
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${JSON.stringify(body)}`);
    return body;
  }

  async #traceHash(logs: Logs): Promise<string> {
    const rows = Object.values(logs).flatMap((events) => events.map((event) => canonical(event)));
    const bytes = new TextEncoder().encode([...this.#recorder.trace, ...rows].join('\n'));
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}
