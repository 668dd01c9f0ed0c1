import type { BuildRunner } from '../../../src/tidemark/rebuild/build-requests.ts';
import type { RebuildContext } from '../../../src/tidemark/rebuild/build-context.ts';
import type { DurableSteps } from '../../../src/tidemark/rebuild/durable-steps.ts';
import { runBuild } from '../../../src/tidemark/rebuild/rebuild.ts';
import { type Task, newTask } from './scheduler.ts';
import type { World } from './world.ts';

interface Work {
  readonly projection: string;
  readonly build: string;
  /** What its steps returned: remembered over crashes, as the platform's Workflows do. */
  readonly results: Map<string, string>;
  task: Task | undefined;
  isOver: boolean;
}

const STEP_TRIES = 12;

/** Does the work of builds as a Workflow would: in durable steps, that are tried again, and go on after a crash. */
export class SimulatedBuilds implements BuildRunner {
  readonly #world: World;
  readonly #work = new Map<string, Work>();
  readonly #toStart: Work[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  async launch(projection: string, build: string): Promise<void> {
    const work = { projection, build, results: new Map<string, string>(), task: undefined, isOver: false };
    this.#work.set(build, work);
    this.#toStart.push(work);
  }

  async revive(_projection: string, build: string): Promise<'goes-on' | 'ended'> {
    const work = this.#work.get(build);
    if (!work || work.isOver) return 'ended';
    if ((!work.task || work.task.isDone) && !this.#toStart.includes(work)) {
      this.#world.count('build revived');
      this.#toStart.push(work);
    }
    return 'goes-on';
  }

  async stop(build: string): Promise<void> {
    const work = this.#work.get(build);
    if (!work) return;
    work.isOver = true;
    // A cancelled build stops at once, or at the end of its step. Until then it still writes.
    if (work.task && !work.task.isDone && this.#world.chance(0.5)) this.#world.scheduler.kill(work.task);
  }

  /** Whether something of this projection may be swapped at any time. */
  isAtWorkOn(projection: string): boolean {
    return [...this.#work.values()].some((work) => work.projection === projection && !work.isOver);
  }

  get hasWork(): boolean {
    return this.#toStart.length > 0;
  }

  /** Begins, or goes on with, one build. */
  async start(context: RebuildContext, place: string): Promise<void> {
    const world = this.#world;
    const work = this.#toStart.shift();
    if (!work || work.isOver) return;
    const task = newTask(`build of ${work.projection}`, place);
    work.task = task;
    // Builds are few, so where they crash at all they do so often.
    const mayCrash = world.isFaulty && world.mix.rates['build.crash'] !== undefined && world.chance(0.6);
    if (mayCrash) world.count('fault build.crash');
    if (mayCrash) world.killLater(task, () => undefined);
    await world.scheduler.start(task, async () => {
      try {
        await runBuild(context, work.projection, work.build, this.#steps(work));
      } catch (error) {
        // As a Workflow whose last try failed too: it has errored.
        world.count('build errored');
        void error;
      }
      work.isOver = true;
    });
  }

  #steps(work: Work): DurableSteps {
    const { results } = work;
    const { scheduler } = this.#world;
    const sleep = (ms: number) => new Promise<void>((resolve) => void scheduler.setTimer(ms, resolve));
    return {
      async do<Result>(name: string, run: (isLastTry: boolean) => Promise<Result>): Promise<Result> {
        const before = results.get(name);
        if (before !== undefined) return JSON.parse(before) as Result;
        for (let tries = 1; ; tries += 1) {
          if (work.isOver) throw new Error('the build was stopped');
          try {
            const result = await run(tries >= STEP_TRIES);
            await scheduler.call(`step: ${name}`, async () => undefined);
            results.set(name, JSON.stringify(result ?? null));
            return result;
          } catch (error) {
            if (tries >= STEP_TRIES) throw error;
            await sleep(2_000 * 2 ** tries);
          }
        }
      },
      sleep: (_name, ms) => sleep(ms),
    };
  }
}
