import { OverloadedError } from '../faults.ts';
import type { BuildError } from './build.ts';
import type { Side } from './build-gap.ts';
import { BuildFailed, BuildOver, NEW_PASS, type RebuildPorts, type Replayed, buildWork } from './build-context.ts';

/** Durable steps: what a step returned is remembered, and a step that threw is tried again. The platform's Workflows are such. */
export interface BuildSteps {
  do<Result>(name: string, work: (isLastTry: boolean) => Promise<Result>): Promise<Result>;
  sleep(name: string, ms: number): Promise<void>;
}

/** How a step ended. Values, since errors lose their class on the way through a durable step. */
type StepOutcome<Result> =
  | { readonly outcome: 'done'; readonly result: Result }
  | { readonly outcome: 'over' }
  | { readonly outcome: 'failed'; readonly why: BuildError };

const NAP_MS = 15_000;
/** Before the join live moves on all the time: past so many passes the rest is left for after it. */
const PASSES_BEFORE_JOIN = 3;
/** What is live may be unable to take an event that the build has taken. Then they differ, and that is told. */
const PASSES_OVER_LIVE = 2;
/** After it nothing falls behind again, unless somebody moves what is live alone. */
const PASSES_AFTER_JOIN = 50;
/** How often a swap is tried while what is live moves on without the build. */
const SWAP_TRIES = 50;

/**
 * Makes a second copy of a projection beside the live one, and swaps the two (decision 9):
 *
 * 0. if it is a trial, has every live stream compared with its log;
 * 1. clears the slot, which nobody reads or moves;
 * 2. replays the archive into it, page by page, then from the logs what the archive does not have yet;
 * 3. joins: from now on every guarded batch moves both, so that the build cannot fall behind again;
 * 4. closes the gap that is left, on both sides, since the archive may have been ahead of what is live; for a new revision once more when
 *    no Worker without its code can be alive;
 * 5. compares the two row by row, and swaps them by one guarded change of the pointer, or waits for somebody's consent.
 *
 * Every step may be run again, by two at the same time too: what it writes is guarded by checkpoints and by the epoch. What is the
 * build's own trouble is written down beside it and not thrown. Throws only what the steps themselves threw, as when they are paused or
 * ended: then whoever has them decides.
 */
export async function runBuild(ports: RebuildPorts, name: string, id: string, steps: BuildSteps): Promise<void> {
  const work = buildWork(ports, name, id);

  async function run<Result>(step: string, act: () => Promise<Result>): Promise<Result> {
    const outcome = await steps.do(step, (isLastTry) => tried(act, isLastTry));
    if (outcome.outcome === 'over') throw new BuildOver(step);
    if (outcome.outcome === 'failed') throw new BuildFailed(outcome.why);
    return outcome.result;
  }

  /** One try of a step. What it met is written down, whether it is tried again or that was the last time. */
  async function tried<Result>(act: () => Promise<Result>, isLastTry: boolean): Promise<StepOutcome<Result>> {
    try {
      return await settled(act);
    } catch (error) {
      const why = { message: String(error) };
      if (isLastTry) return { outcome: 'failed', why };
      await work.noteTrouble(why);
      throw error;
    }
  }

  /** Brings up every stream that is further in the other slot (in a first build: in the archive), until a whole pass finds none. */
  async function closeGap(what: string, maxPasses = PASSES_AFTER_JOIN, side: Side = 'build'): Promise<void> {
    for (let number = 1; number <= maxPasses; number += 1) {
      let pass = NEW_PASS;
      for (let part = 1; !pass.isDone; part += 1) {
        const from = pass;
        pass = await run(`${what}: pass ${number}, part ${part}`, () => work.closeGap(from, side));
      }
      if (pass.found === 0) return;
    }
    if (maxPasses === PASSES_AFTER_JOIN) {
      throw new BuildFailed({
        message:
          'another Worker, which has no code for this revision, keeps moving what is live: finish its deployment first',
      });
    }
  }

  async function swap(): Promise<void> {
    for (let tries = 1; tries <= SWAP_TRIES; tries += 1) {
      if ((await run(`swap, try ${tries}`, () => work.swap())) === 'swapped') return;
      await closeGap(`what live had at try ${tries} of the swap`, 1);
    }
    throw new BuildFailed({
      message: 'what is live keeps moving without it: is there a Worker that has no code for it?',
    });
  }

  async function compareWithLogs(): Promise<void> {
    let pass = NEW_PASS;
    for (let part = 1; !pass.isDone; part += 1) {
      const from = pass;
      pass = await run(`compare with the logs, part ${part}`, () => work.compareWithLogs(from));
    }
  }

  try {
    await compareWithLogs();
    let isCleared = false;
    for (let part = 1; !isCleared; part += 1) isCleared = await run(`clear the slot, part ${part}`, () => work.clear());
    let replay: Replayed = { position: 0, replayed: 0, isDone: false };
    for (let part = 1; !replay.isDone; part += 1) {
      const from = replay;
      replay = await run(`replay the archive, part ${part}`, () => work.replay(from));
    }
    await closeGap('what the archive lacks', PASSES_BEFORE_JOIN);
    await run('join', () => work.join());
    await closeGap('what came before the join');
    await closeGap('what live lacks', PASSES_OVER_LIVE, 'live');
    const graceMs = await run('how long a Worker before this one may live', () => work.graceLeftMs());
    for (let slept = 0; slept < graceMs; slept += NAP_MS) {
      await steps.sleep(`wait, from ${slept} ms on`, Math.min(NAP_MS, graceMs - slept));
      await run(`still waiting after ${slept} ms`, () => work.touch());
    }
    if (graceMs > 0) await closeGap('what a Worker before this one has moved');
    let verdict = await run('compare, part 1', () => work.compare());
    for (let part = 2; typeof verdict === 'object'; part += 1) {
      const from = verdict;
      verdict = await run(`compare, part ${part}`, () => work.compare(from));
    }
    if (verdict === 'swap') await swap();
  } catch (error) {
    if (error instanceof BuildOver) return;
    if (!(error instanceof BuildFailed)) throw error;
    await steps.do('write down why it failed', () => work.fail(error.why));
  }
}

async function settled<Result>(act: () => Promise<Result>): Promise<StepOutcome<Result>> {
  try {
    return { outcome: 'done', result: await act() };
  } catch (error) {
    if (error instanceof BuildOver) return { outcome: 'over' };
    if (error instanceof BuildFailed) return { outcome: 'failed', why: error.why };
    throw error;
  }
}

/**
 * Makes a build that waits for consent the live one. False when it is none that waits, or not any more. Throws `OverloadedError` when what
 * is live has moved on without it, further than one request can make up for.
 */
export async function acceptBuild(ports: RebuildPorts, name: string, id: string): Promise<boolean> {
  const work = buildWork(ports, name, id);
  const outcome = await settled(async () => {
    if ((await work.swap()) === 'swapped') return;
    await work.closeGap(NEW_PASS, 'build');
    if ((await work.swap()) === 'behind') throw new OverloadedError(`${name} keeps moving without the build`);
  });
  return outcome.outcome === 'done';
}
