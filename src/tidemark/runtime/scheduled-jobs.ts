import { tendBuilds } from '../rebuild/build-requests.ts';
import { sweepStep } from '../catch-up/sweep.ts';
import { upkeepStep } from '../rebuild/upkeep.ts';
import { log } from '../platform/log.ts';
import type { Runtime } from './runtime.ts';

/** A job that runs whenever a cron trigger of wrangler.toml fires. */
export interface ScheduledJob {
  readonly name: string;
  /** Does one short and bounded step. The next run does the next step. Returns its result for the log. */
  readonly run: (runtime: Runtime) => Promise<Readonly<Record<string, string | number | boolean>>>;
}

/** All jobs. They run side by side. Add regular work here. */
const scheduledJobs: readonly ScheduledJob[] = [
  {
    name: 'sweep',
    async run(runtime) {
      const { unreachable, isStart: _, pauseMs: __, ...step } = await sweepStep(runtime);
      return { ...step, unreachable: unreachable.join(' ') };
    },
  },
  {
    name: 'builds',
    async run(runtime) {
      const { registry } = runtime;
      await tendBuilds(
        runtime,
        registry.groups.flatMap((group) => registry.projectionsOf(group)),
      );
      return {};
    },
  },
  {
    name: 'upkeep',
    async run(runtime) {
      return { ...(await upkeepStep(runtime)) };
    },
  },
];

/** Runs the jobs separately. A job that fails is logged and does not hold up the others. */
export async function runScheduledJobs(runtime: Runtime, jobs = scheduledJobs): Promise<void> {
  await Promise.all(
    jobs.map(async ({ name, run }) => {
      const startedAt = runtime.clock.now();
      try {
        const did = await run(runtime);
        log('scheduled.done', { job: name, ...did, durationMs: runtime.clock.now() - startedAt });
      } catch (error) {
        log('scheduled.failed', { job: name, error: String(error) });
      }
    }),
  );
}
