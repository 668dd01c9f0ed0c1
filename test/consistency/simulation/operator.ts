import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';

import type { Env } from '../../../src/bindings.ts';
import { newTask } from './scheduler.ts';
import type { Isolate } from './session.ts';
import type { World } from './world.ts';

interface OperatorPorts {
  readonly world: World;
  readonly fetch: (request: Request, env: Env, context: ExecutionContext) => Promise<Response>;
  readonly isolates: () => readonly Isolate[];
  /** Names of those that can be rebuilt. */
  readonly projections: readonly string[];
  /** Names of those that only append, and that nothing is ever left out of. */
  readonly archives: readonly string[];
  /** Runs the scheduled upkeep once, which ends the remains of builds. */
  readonly upkeep: () => Promise<void>;
}

type Body = Record<string, unknown>;

/** Those that have cause and kind in common. */
interface DeadLetters {
  readonly id: string;
  readonly cause: 'poison' | 'log-restored';
}

/** Longer than the silence of a build after which a request for it revives it. */
const SILENCE_MS = 11 * 60_000;
/** More events than any stream of a run has. */
const MAX_SKIPS = 40;
/** Within this time it looks at a build again. */
const GLANCE_MS = 2_000;
/** Of the builds that it takes time for it cancels so many at most. */
const MAX_CANCELS = 3;
/** It looks so often at the build that it takes time for. */
const MAX_GLANCES = 200;
/** Longer than a former slot is kept. */
const WAY_BACK_IS_OVER_MS = 8 * 24 * 3_600_000;
/** More steps than a pass of the sweep over a run's streams takes. */
const MAX_SWEEPS = 5;

/** The operator of the system: rebuilds, rolls back, cancels, replays and sweeps, while the traffic goes on. */
export class Operator {
  isBusy = false;
  /** A long action of it has begun, and has not ended. */
  isMaintaining = false;
  #hasMaintained = false;
  readonly projections: readonly string[];
  readonly #ports: OperatorPorts;
  /** What each build was last seen to be at. */
  readonly #states = new Map<string, string>();
  /** Projections that have a way back. */
  readonly #swapped = new Set<string>();
  /** The builds that it began and has not seen the end of. */
  readonly #builds = new Map<string, string>();
  /** Builds that began after all faults had ended, so no fault explains a difference. */
  readonly #inPeace = new Set<string>();
  /** Projections whose last build was cancelled. */
  readonly #cancelled = new Set<string>();
  /** Projections that left an event out and have not been built anew since. */
  readonly #skippedIn = new Set<string>();
  /** After how many restores of logs and databases it has swept. */
  #sweptAfter = 0;

  constructor(ports: OperatorPorts) {
    this.#ports = ports;
    this.projections = ports.projections;
  }

  /** Does one thing, of its own accord. */
  async act(): Promise<void> {
    const { world } = this.#ports;
    const name = this.projections[world.between(0, this.projections.length - 1)] ?? '';
    if (world.mix.maintains && !this.#hasMaintained) return this.#inTask(() => this.#maintain(name));
    const build = this.#builds.get(name);
    const deeds: (() => Promise<unknown>)[] = [
      () => this.#rebuild(name),
      () => this.#rebuild(name),
      () => this.#rollBack([...this.#swapped].at(-1) ?? name),
      () => this.#post('/sweep', 'swept'),
      () => this.#ports.upkeep(),
      () => this.#replay(this.#heldOne() ?? name),
      () => this.#replay(this.#heldOne() ?? name),
      () => this.#skip(this.#heldOne() ?? name),
      ...(build === undefined
        ? []
        : [
            () => this.#watch(name, build),
            () => this.#watch(name, build),
            () => this.#accept(name, build),
            () => this.#cancel(name, build),
          ]),
    ];
    const deed = deeds[world.between(0, deeds.length - 1)];
    if (deed) await this.#inTask(deed);
  }

  /** Rebuilds a projection, waits for the swap, and goes back while there still is traffic. Some builds it stops on the way, and begins anew. */
  async #maintain(name: string): Promise<void> {
    const { world } = this.#ports;
    this.#hasMaintained = true;
    this.isMaintaining = true;
    let cancels = world.between(0, MAX_CANCELS);
    for (let glances = 0; glances < MAX_GLANCES && !this.#swapped.has(name); glances += 1) {
      const build = this.#builds.get(name);
      if (build === undefined) await this.#rebuild(name, true);
      else if (cancels > 0 && world.chance(0.5)) {
        cancels -= 1;
        await this.#cancel(name, build);
      } else await this.#watch(name, build);
      await this.#wait(world.between(0, GLANCE_MS));
    }
    if (this.#swapped.has(name)) await this.#rollBack(name);
    this.isMaintaining = false;
  }

  /** Days pass, and the scheduled upkeep runs: it releases and empties former slots. Then the operator builds every projection. */
  async letDaysPass(settle: (work: Promise<void>) => Promise<void>): Promise<void> {
    await settle(
      this.#inTask(async () => {
        await this.#wait(WAY_BACK_IS_OVER_MS);
        for (let runs = 0; runs < this.projections.length; runs += 1) await this.#ports.upkeep();
        for (const name of this.projections) await this.#rebuild(name, true);
      }),
    );
    while (this.isBusy) await settle(new Promise((resolve) => setTimeout(resolve, 0)));
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((ring) => void this.#ports.world.scheduler.setTimer(ms, ring));
  }

  /** One that was broken, and so may have dead letters. */
  #heldOne(): string | undefined {
    const broken = [...this.#ports.world.everBroken];
    return broken[this.#ports.world.between(0, Math.max(broken.length - 1, 0))];
  }

  /** Leaves out some of what stands still. */
  async decide(settle: (work: Promise<void>) => Promise<void>): Promise<void> {
    const { world } = this.#ports;
    const names = world.held.filter((name) => this.projections.includes(name) && world.chance(0.6));
    await settle(
      this.#inTask(async () => {
        for (const name of names) await this.#skip(name);
      }),
    );
    while (this.isBusy) await settle(new Promise((resolve) => setTimeout(resolve, 0)));
  }

  /**
   * Decides about stopped streams and waiting builds, once no fault remains. `settle` lets the system work meanwhile. False: there were
   * none.
   */
  async putRight(settle: (work: Promise<void>) => Promise<void>): Promise<boolean> {
    let isNeeded = false;
    const work = async () => {
      isNeeded = await this.#sweepAfterRestores();
      for (const name of this.#ports.archives) {
        if ((await this.#poison(name)) === undefined) continue;
        isNeeded = true;
        await this.#replay(name);
      }
      for (const name of this.projections) {
        const build = this.#builds.get(name);
        if (build !== undefined) {
          isNeeded = true;
          await this.#watch(name, build);
          const state = this.#states.get(build);
          if (state === 'awaiting-acceptance') await this.#accept(name, build);
          if (state === 'building' || state === 'comparing') {
            // A request for a build that has long been silent revives it.
            await this.#wait(SILENCE_MS);
            await this.#watch(name, build);
          }
        }
        isNeeded = (await this.#settleHeld(name)) || isNeeded;
        if (this.#skippedIn.has(name) && !this.#builds.has(name)) {
          isNeeded = true;
          await this.#rebuild(name, true);
        }
      }
    };
    await settle(this.#inTask(work));
    while (this.isBusy) await settle(new Promise((resolve) => setTimeout(resolve, 0)));
    return isNeeded;
  }

  /** A whole pass of the sweep, after something was set back. False: nothing was since the last one. */
  async #sweepAfterRestores(): Promise<boolean> {
    const { setBacks } = this.#ports.world;
    if (setBacks.count === this.#sweptAfter) return false;
    this.#sweptAfter = setBacks.count;
    for (let steps = 0; steps < MAX_SWEEPS; steps += 1) {
      const { body } = await this.#request('POST', '/sweep');
      if (body['isComplete'] === true) break;
    }
    return true;
  }

  async #rebuild(name: string, accept = this.#ports.world.chance(0.7)): Promise<void> {
    const { world } = this.#ports;
    this.#touch(name);
    const { status, body } = await this.#request('POST', `/projections/${name}/rebuild?accept=${accept}`);
    // A build may be running although its answer was lost.
    if (body['code'] === 'rebuild-running') this.#builds.set(name, String(body['build']));
    if (status !== 202) return;
    const id = String(body['id']);
    this.#builds.set(name, id);
    if (!world.isFaulty) this.#inPeace.add(id);
    world.count('rebuild begun');
    if (this.#cancelled.delete(name)) world.count('build begun again after a cancel');
  }

  async #rollBack(name: string): Promise<void> {
    this.#swapped.delete(name);
    this.#touch(name);
    await this.#post(`/projections/${name}/rollback`, 'rolled back');
  }

  async #watch(name: string, build: string): Promise<void> {
    const { status, body } = await this.#request('GET', `/projections/${name}/rebuilds/${build}`);
    // A database that was set back knows nothing of it.
    if (status === 404) this.#builds.delete(name);
    if (status !== 200) return;
    const state = String(body['state']);
    this.#states.set(build, state);
    const isOver = state === 'swapped' || state === 'failed' || state === 'cancelled';
    if (!isOver) return;
    this.#ports.world.count(`build ${state}`);
    if (state === 'swapped') this.#swapped.add(name);
    if (state === 'swapped' && this.#inPeace.has(build) && this.#skippedIn.delete(name))
      this.#ports.world.count('skip honoured by a build');
    this.#builds.delete(name);
    const differences = body['differences'] as { isEqual: boolean; differing: number } | null;
    if (!differences) return;
    this.#ports.world.count(differences.isEqual ? 'build equals live' : 'build differs from live');
    // A new revision has other columns, which is not a difference of content. Held streams are behind.
    // Workers of the former deployment move only the live slot.
    const { everBroken, mix } = this.#ports.world;
    const isDeploying = mix.rates['deploy.under-way'] !== undefined;
    const isSetBack = this.#ports.world.setBacks.count > 0;
    const isExplained = isSetBack || ((everBroken.has(name) || isDeploying) && !this.#inPeace.has(build));
    if (differences.differing > 0 && !isExplained)
      this.#ports.world.verdicts.push(`${name} was built otherwise than it is (I12): ${JSON.stringify(body)}`);
  }

  async #accept(name: string, build: string): Promise<void> {
    this.#touch(name);
    await this.#post(`/projections/${name}/rebuilds/${build}/accept`, 'build accepted');
  }

  async #cancel(name: string, build: string): Promise<void> {
    const { status, body } = await this.#request('DELETE', `/projections/${name}/rebuilds/${build}`);
    if (status !== 200) return;
    if (body['state'] !== 'cancelled')
      this.#ports.world.verdicts.push(
        `a build of ${name} counts as cancelled, and goes on (I12): ${JSON.stringify(body)}`,
      );
    this.#ports.world.count('build cancelled');
    this.#cancelled.add(name);
  }

  /** Tries everything that is held again. False: there was nothing. */
  async #replay(name: string): Promise<boolean> {
    const { world } = this.#ports;
    const groups = await this.#deadLetters(name);
    this.#touch(name);
    for (const { id } of groups) {
      const { status } = await this.#request('POST', `/projections/${name}/dead-letters/${id}/replay`);
      if (status === 200)
        world.count(world.isFaulty ? 'dead letters replayed during traffic' : 'dead letters replayed');
    }
    return groups.length > 0;
  }

  /**
   * Replays what is held. What cannot be applied though nothing is broken any more builds upon what was left out, and is left out too. Of a
   * log that was set back there is nothing to leave out: the projection is built anew.
   */
  async #settleHeld(name: string): Promise<boolean> {
    if (!(await this.#replay(name))) return false;
    for (let left = MAX_SKIPS; left > 0 && (await this.#poison(name)) !== undefined; left -= 1) await this.#skip(name);
    const isStopped = (await this.#deadLetters(name)).length > 0;
    if (isStopped && !this.#builds.has(name)) {
      this.#ports.world.count('built anew after a restore');
      await this.#rebuild(name, true);
    }
    return true;
  }

  #touch(name: string): void {
    const { setBacks, recorder } = this.#ports.world;
    setBacks.touch(name, recorder.moment());
  }

  async #skip(name: string): Promise<void> {
    const group = await this.#poison(name);
    if (!group) return;
    this.#skippedIn.add(name);
    const reason = { reason: 'Nobody misses it' };
    const { status } = await this.#request('POST', `/projections/${name}/dead-letters/${group.id}/skip`, reason);
    if (status === 200) this.#ports.world.count('dead letters skipped');
  }

  async #poison(name: string): Promise<DeadLetters | undefined> {
    return (await this.#deadLetters(name)).find(({ cause }) => cause === 'poison');
  }

  async #deadLetters(name: string): Promise<readonly DeadLetters[]> {
    const { status, body } = await this.#request('GET', `/projections/${name}/dead-letters`);
    return status === 200 ? (body['groups'] as readonly DeadLetters[]) : [];
  }

  async #post(path: string, deed: string): Promise<void> {
    const { status } = await this.#request('POST', path);
    this.#ports.world.count(status === 200 ? deed : `not ${deed}`);
  }

  async #request(method: string, path: string, body?: Body): Promise<{ readonly status: number; readonly body: Body }> {
    const { isolates, fetch } = this.#ports;
    const { env } = isolates()[0] as Isolate;
    const context = createExecutionContext();
    const request = new Request(`https://tidemark.test${path}`, {
      method,
      headers: { Authorization: 'Bearer an-operations-key-for-tests-of-32-bytes', 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = await fetch(request, env, context);
    const answered = await answer.json<Body>();
    await waitOnExecutionContext(context);
    return { status: answer.status, body: answered };
  }

  async #inTask(deed: () => Promise<unknown>): Promise<void> {
    const { world, isolates } = this.#ports;
    this.isBusy = true;
    await world.scheduler.start(newTask('operator', (isolates()[0] as Isolate).place), async () => {
      await deed();
      this.isBusy = false;
    });
  }
}
