import { timestamp } from '../../src/tidemark/platform/clock.ts';
import { type RollbackOutcome, rollback } from '../../src/tidemark/rebuild/former-slot.ts';
import type { BuildRunner } from '../../src/tidemark/rebuild/build-requests.ts';
import type { RebuildContext } from '../../src/tidemark/rebuild/build-context.ts';
import type { DurableSteps } from '../../src/tidemark/rebuild/durable-steps.ts';
import { runBuild } from '../../src/tidemark/rebuild/rebuild.ts';
import type { Slot } from '../../src/tidemark/projections/slot-tables.ts';
import { ports } from './platform.ts';
import { system } from './system.ts';

type Around = (name: string, run: (isLastTry?: boolean) => Promise<unknown>) => Promise<unknown>;

/**
 * Steps without a Workflow: each is run at once, and once. `around` may run a step again, throw, or do something in between. Instead of a
 * nap the clock goes forward, and what is to happen in the meantime is done.
 */
export function stepsHere(
  around: Around = (_, run) => run(),
  meanwhile: () => Promise<unknown> = async () => undefined,
) {
  const taken: string[] = [];
  const steps: DurableSteps = {
    async do<Result>(name: string, run: (isLastTry: boolean) => Promise<Result>) {
      taken.push(name);
      return (await around(name, (isLastTry = true) => run(isLastTry))) as Result;
    },
    async sleep(name, ms) {
      taken.push(name);
      ports.clockOffsetMs += ms;
      await meanwhile();
    },
  };
  return { steps, taken };
}

/** Records each launch, and leaves the work to the test. */
export function idleRunner(): BuildRunner & { readonly launched: readonly { projection: string; build: string }[] } {
  const launched: { projection: string; build: string }[] = [];
  return {
    launched,
    launch: async (projection, build) => void launched.push({ projection, build }),
    revive: async () => 'goes-on',
    stop: async () => undefined,
  };
}

/** Does a build's work here and now. */
export function work(
  projection: string,
  build: string,
  steps: DurableSteps = stepsHere().steps,
  otherwise: Partial<RebuildContext> = {},
): Promise<void> {
  return runBuild({ ...system, ...otherwise }, projection, build, steps);
}

/** The way back, as the system under test takes it. */
export function rollBack(database: D1Database, projection: string, to?: Slot): Promise<RollbackOutcome> {
  return rollback(database, projection, system.registry.revisionsOf(projection), timestamp(system.clock), to);
}
