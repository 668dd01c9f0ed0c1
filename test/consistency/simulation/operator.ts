import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';

import type { Env } from '../../../src/bindings.ts';
import type { Isolate } from './clients.ts';
import { newTask } from './scheduler.ts';
import type { World } from './world.ts';

interface OperatorPorts {
  readonly world: World;
  readonly fetch: (request: Request, env: Env, context: ExecutionContext) => Promise<Response>;
  readonly isolates: () => readonly Isolate[];
  /** Names of those that can be rebuilt. */
  readonly projections: readonly string[];
}

type Body = Record<string, unknown>;

const SILENCE_MS = 61_000;

/** Whoever operates the system: rebuilds, rolls back, cancels, replays and sweeps, while the traffic goes on. */
export class Operator {
  isBusy = false;
  readonly projections: readonly string[];
  /** Builds that came out otherwise than what was live. */
  readonly differing: string[] = [];
  readonly #ports: OperatorPorts;
  /** What each build was last seen to be at. */
  readonly #states = new Map<string, string>();
  /** Projections that have a way back. */
  readonly #swapped = new Set<string>();
  /** The builds that it began and has not seen the end of. */
  readonly #builds = new Map<string, string>();

  constructor(ports: OperatorPorts) {
    this.#ports = ports;
    this.projections = ports.projections;
  }

  /** Does one thing, of its own accord. */
  async act(): Promise<void> {
    const { world } = this.#ports;
    const name = this.projections[world.between(0, this.projections.length - 1)] ?? '';
    const build = this.#builds.get(name);
    const deeds: (() => Promise<unknown>)[] = [
      () => this.#rebuild(name),
      () => this.#rebuild(name),
      ...[...this.#swapped].map((former) => () => this.#rollBack(former)),
      () => this.#post('/sweep', 'swept'),
      () => this.#replay(name),
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

  /**
   * Puts right what needs somebody to decide, once nothing fails any more. `settle` lets the system do its part meanwhile. False: there was
   * nothing.
   */
  async putRight(settle: (work: Promise<void>) => Promise<void>): Promise<boolean> {
    let isNeeded = false;
    const work = async () => {
      for (const name of this.projections) {
        const build = this.#builds.get(name);
        if (build !== undefined) {
          isNeeded = true;
          await this.#watch(name, build);
          const state = this.#states.get(build);
          if (state === 'awaiting-acceptance') await this.#accept(name, build);
          if (state === 'building' || state === 'comparing') {
            // Whoever watches a build that has long been silent has it go on.
            await new Promise<void>((ring) => void this.#ports.world.scheduler.setTimer(SILENCE_MS, ring));
            await this.#watch(name, build);
          }
        }
        isNeeded = (await this.#replay(name)) || isNeeded;
      }
    };
    await settle(this.#inTask(work));
    while (this.isBusy) await settle(new Promise((resolve) => setTimeout(resolve, 0)));
    return isNeeded;
  }

  async #rebuild(name: string): Promise<void> {
    const { world } = this.#ports;
    const accept = world.chance(0.7);
    const { status, body } = await this.#request('POST', `/projections/${name}/rebuild?accept=${accept}`);
    if (status !== 202) return;
    this.#builds.set(name, String(body['id']));
    world.count('rebuild begun');
  }

  async #rollBack(name: string): Promise<void> {
    this.#swapped.delete(name);
    await this.#post(`/projections/${name}/rollback`, 'rolled back');
  }

  async #watch(name: string, build: string): Promise<void> {
    const { status, body } = await this.#request('GET', `/projections/${name}/rebuilds/${build}`);
    if (status !== 200) return;
    const state = String(body['state']);
    this.#states.set(build, state);
    const isOver = state === 'swapped' || state === 'failed' || state === 'cancelled';
    if (!isOver) return;
    this.#ports.world.count(`build ${state}`);
    if (state === 'swapped') this.#swapped.add(name);
    this.#builds.delete(name);
    const differences = body['differences'] as { isEqual: boolean; differing: number } | null;
    if (!differences) return;
    this.#ports.world.count(differences.isEqual ? 'build equals live' : 'build differs from live');
    // A new revision has other columns, which is no difference in what they hold; and what is held is behind.
    const isExplained = this.#ports.world.everBroken.has(name);
    if (differences.differing > 0 && !isExplained)
      this.differing.push(`${name} was built otherwise than it is (I12): ${JSON.stringify(body)}`);
  }

  async #accept(name: string, build: string): Promise<void> {
    await this.#post(`/projections/${name}/rebuilds/${build}/accept`, 'build accepted');
  }

  async #cancel(name: string, build: string): Promise<void> {
    const { status } = await this.#request('DELETE', `/projections/${name}/rebuilds/${build}`);
    if (status === 200) this.#ports.world.count('build cancelled');
  }

  /** False: nothing of it was held. */
  async #replay(name: string): Promise<boolean> {
    const { status, body } = await this.#request('GET', `/projections/${name}/dead-letters`);
    if (status !== 200) return false;
    const groups = body['groups'] as readonly { id: string }[];
    for (const { id } of groups) {
      const { status: replayed } = await this.#request('POST', `/projections/${name}/dead-letters/${id}/replay`);
      if (replayed === 200) this.#ports.world.count('dead letters replayed');
    }
    return groups.length > 0;
  }

  async #post(path: string, deed: string): Promise<void> {
    const { status } = await this.#request('POST', path);
    this.#ports.world.count(status === 200 ? deed : `not ${deed}`);
  }

  async #request(method: string, path: string): Promise<{ readonly status: number; readonly body: Body }> {
    const { isolates, fetch } = this.#ports;
    const { env } = isolates()[0] as Isolate;
    const context = createExecutionContext();
    const request = new Request(`https://tidemark.test${path}`, {
      method,
      headers: { Authorization: 'Bearer an-operations-key-for-tests' },
    });
    const answer = await fetch(request, env, context);
    const body = await answer.json<Body>();
    await waitOnExecutionContext(context);
    return { status: answer.status, body };
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
