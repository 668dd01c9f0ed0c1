import {
  type D1Migration,
  applyD1Migrations,
  createExecutionContext,
  reset,
  waitOnExecutionContext,
} from 'cloudflare:test';
import { env as bindings } from 'cloudflare:workers';

import type { Env } from '../../../src/bindings.ts';
import { tokenCodec } from '../../../src/eventsourcing/read/token-codec.ts';
import { seededRandom } from '../../../src/eventsourcing/testing/seeded-random.ts';
import { type StreamId, categoryOf } from '../../../src/eventsourcing/stream.ts';
import { replaceTimers } from '../../../src/eventsourcing/timeout.ts';
import { groups, reporting, serving } from '../../../src/groups.ts';
import { checkHistory } from '../checker.ts';
import type { History } from '../history.ts';
import { explain } from '../violation.ts';
import { Client, type Isolate, Recorder } from './clients.ts';
import type { Counts } from './counters.ts';
import { setCurrentWorld } from './current.ts';
import { type Logs, type SimulatedDomain, canonical } from './domain.ts';
import { type Cuts, type Mix, mixOf } from './mix.ts';
import { Operator } from './operator.ts';
import { type Gate, StuckError } from './scheduler.ts';
import { aggregateOptions, relayOptions, type simulatedSystem } from './simulated-platform.ts';
import { World } from './world.ts';

/** How a run ended. */
export interface RunResult {
  readonly seed: number;
  /** What is wrong, in plain words; empty: nothing. */
  readonly failures: readonly string[];
  /** Over every answer that a client saw and every row of every log. */
  readonly traceHash: string;
  readonly counts: Counts;
  readonly operations: number;
  readonly steps: number;
}

type System = ReturnType<typeof simulatedSystem>;

const MAX_STEPS = 5_000;
const FIRST_KEY = 'key-0';

/** Runs one seed: traffic and faults as its mix has them, then peace, then judgement. */
export async function runSeed(
  system: System,
  domains: readonly SimulatedDomain[],
  seed: number,
  cuts: Cuts = {},
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
    return await new Run(system, domains, world, mix).toTheEnd();
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

  constructor(system: System, domains: readonly SimulatedDomain[], world: World, mix: Mix) {
    this.#system = system;
    this.#world = world;
    this.#mix = mix;
    // One domain a run: which one is the seed's choice too.
    const domain = domains[mix.seed % 4 === 3 ? domains.length - 1 : 0] as SimulatedDomain;
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
    const failures: string[] = [];
    try {
      while (!this.#isOver) await this.#step();
      this.#world.heal();
      this.#keys = this.#keys.slice(0, 2);
      await this.#comeToRest();
    } catch (error) {
      failures.push(`stuck: ${error instanceof StuckError ? error.message : String((error as Error).stack)}`);
    }
    const logs = await this.#logs();
    if (failures.length === 0) failures.push(...(await this.#judge(logs)));
    failures.push(...this.#operator.differing);
    failures.push(...this.#world.causeless);
    failures.push(...this.#world.internalErrors.map((error) => `an internal error: ${error}`));
    if (this.#world.scheduler.failure !== undefined)
      failures.push(`the simulation itself: ${String((this.#world.scheduler.failure as Error).stack)}`);
    return {
      seed: this.#mix.seed,
      failures,
      traceHash: await this.#traceHash(logs),
      counts: this.#world.counters.toCounts(),
      operations: this.#recorder.operations.length,
      steps: this.#steps,
    };
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
    if (world.happens('isolate.restart')) this.#restart();
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
    return { place: `isolate-${index}`, env: { ...bindings, ...keys } };
  }

  #runtime(index: number) {
    return this.#system.runtimeOf((this.#isolates[index] as Isolate).env);
  }

  async #fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { fetch } = this.#system.handler;
    return (await fetch?.(request as never, env, context)) as Response;
  }

  // Peace.

  /** Everything that is still to be done is done, in whatever order: until nobody waits for anything any more. */
  async #comeToRest(): Promise<void> {
    const world = this.#world;
    for (let rounds = 0; rounds < 6; rounds += 1) {
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

  // Judgement.

  async #judge(logs: Logs): Promise<readonly string[]> {
    try {
      return [...this.#judgeHistory(logs), ...(await this.#judgeAtRest(logs))];
    } catch (error) {
      return [`unjudgeable: ${String((error as Error).stack)}`];
    }
  }

  async #logs(): Promise<Logs> {
    const logs: Record<string, Awaited<ReturnType<World['objects']['log']>>> = {};
    for (const stream of this.#world.objects.streams) {
      const log = await this.#world.objects.log(stream);
      if (log.length > 0) logs[stream] = log;
    }
    return logs;
  }

  #judgeHistory(logs: Logs): readonly string[] {
    const domain = this.#domain;
    const history: History = {
      operations: this.#recorder.operations,
      log: Object.fromEntries(
        Object.entries(logs).map(([stream, events]) => [
          stream,
          events.map((event) => ({
            id: event.id,
            version: event.version,
            correlationId: event.metadata.correlationId,
            recordedAt: event.recordedAt,
            saw: domain.saw(event),
          })),
        ]),
      ),
      skipped: [],
    };
    const violations = checkHistory(history, domain.membership(logs));
    return violations.length === 0 ? [] : explain(violations).split('\n');
  }

  async #judgeAtRest(logs: Logs): Promise<readonly string[]> {
    return [
      ...(await this.#unapplied(logs)),
      ...(await this.#archive(logs)),
      ...(await this.#domain.judgeAtRest(
        logs,
        (path) => this.#get(path),
        () => this.#world.now(),
      )),
    ];
  }

  /** Every projection that follows a stream has reached its head, and nothing is held. */
  async #unapplied(logs: Logs): Promise<readonly string[]> {
    const { registry } = this.#runtime(0);
    const found: string[] = [];
    for (const group of groups) {
      const database = group === serving ? bindings.SERVING_DB : bindings.REPORTING_DB;
      const [checkpoints, letters] = await database.batch<Record<string, unknown>>([
        database.prepare(
          `SELECT c.projection, c.stream, c.version, c.event_id FROM checkpoint AS c
          JOIN projection_pointer AS pointer ON pointer.projection = c.projection AND pointer.live_slot = c.slot`,
        ),
        // One that what is live has got past since, by a swap or a rollback, counts no more.
        database.prepare(
          `SELECT d.projection, d.stream, d.version, d.error FROM dead_letter AS d
          JOIN projection_pointer AS pointer ON pointer.projection = d.projection
          LEFT JOIN checkpoint AS c
            ON c.projection = d.projection AND c.slot = pointer.live_slot AND c.stream = d.stream
          WHERE d.is_open = 1 AND d.version > coalesce(c.version, 0)`,
        ),
      ]);
      for (const letter of letters?.results ?? []) found.push(`at rest there is a dead letter: ${canonical(letter)}`);
      for (const [stream, events] of Object.entries(logs)) {
        for (const { name } of registry.projectionsOf(group)) {
          const { follows = {} } = registry.projectionsOf(group).find((projection) => projection.name === name) ?? {};
          if (!Object.hasOwn(follows, categoryOf(stream as StreamId))) continue;
          const at = checkpoints?.results.find((row) => row['projection'] === name && row['stream'] === stream);
          const reached = Number(at?.['version'] ?? 0);
          if (reached !== events.length || at?.['event_id'] !== events.at(-1)?.id)
            found.push(`at rest ${name} has ${stream} at ${reached}, and its log ends at ${events.length} (I18)`);
        }
      }
    }
    return found;
  }

  /** The archive is the union of all logs, each event once and each stream in its order. */
  async #archive(logs: Logs): Promise<readonly string[]> {
    const { results } = await bindings.REPORTING_DB.prepare(
      `SELECT stream, version, event FROM archive_event ORDER BY position`,
    ).all<{ stream: string; version: number; event: string }>();
    const found: string[] = [];
    for (const [stream, events] of Object.entries(logs)) {
      const is = results.filter((row) => row.stream === stream).map(({ event }) => canonical(JSON.parse(event)));
      const ought = events.map((event) => canonical(event));
      if (is.join() !== ought.join())
        found.push(`the archive has ${stream} as ${is.length} events that are not the ${ought.length} of its log`);
    }
    const total = Object.values(logs).reduce((sum, events) => sum + events.length, 0);
    if (results.length !== total) found.push(`the archive has ${results.length} events, and the logs ${total}`);
    return found;
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

/** No run depends on those before it. */
async function emptyStorage(domains: readonly SimulatedDomain[]): Promise<void> {
  await reset();
  const migrations: [D1Database, D1Migration[]][] = [
    [bindings.SERVING_DB, bindings.TEST_MIGRATIONS_SERVING],
    [bindings.SERVING_REPLICA, bindings.TEST_MIGRATIONS_SERVING],
    [bindings.REPORTING_DB, bindings.TEST_MIGRATIONS_REPORTING],
    [bindings.REPORTING_REPLICA, bindings.TEST_MIGRATIONS_REPORTING],
  ];
  for (const [database, all] of migrations) await applyD1Migrations(database, all);
  for (const { prepare } of domains) {
    await prepare?.({ serving: bindings.SERVING_DB, reporting: bindings.REPORTING_DB });
    await prepare?.({ serving: bindings.SERVING_REPLICA, reporting: bindings.REPORTING_REPLICA });
  }
}

/** Counts the structured log lines: they tell which ways of recovery were taken. Returns what puts the console back. */
function readLogLines(world: World): () => void {
  const { log } = console;
  console.log = (line: unknown) => {
    const parsed =
      typeof line === 'string' && line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
    const { event, cause, error, projection } = parsed;
    if (typeof event === 'string') world.count(`log ${event}${typeof cause === 'string' ? ` ${cause}` : ''}`);
    // Poison is what a broken handler or a constraint refuses, and here no other projection has any.
    const isRefusal = event === 'projection.refused' || event === 'projection.dead-letter';
    if (isRefusal && !world.everBroken.has(String(projection)))
      world.causeless.push(`refused without a cause (I17): ${String(line)}`);
    if (event === 'internal-error') world.internalErrors.push(String(error));
  };
  return () => {
    console.log = log;
  };
}
