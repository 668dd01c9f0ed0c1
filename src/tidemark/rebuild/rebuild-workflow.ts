import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';

import type { BuildRunner } from './build-requests.ts';
import type { RebuildContext } from './build-context.ts';
import type { DurableSteps } from './durable-steps.ts';
import { runBuild } from './rebuild.ts';

/** The parameters of an instance. */
export interface RebuildParams {
  readonly projection: string;
  readonly build: string;
}

/** A step is tried again for about two hours. Databases and deployments are away for less. */
const STEP = {
  retries: { limit: 12, delay: '2 seconds', backoff: 'exponential' },
  timeout: '10 minutes',
} as const;

/** The Workflow class that runs a build in durable steps. The build survives a deployment, and can be watched and stopped. */
export function rebuildWorkflow<Env>(contextOf: (env: Env) => RebuildContext) {
  return class RebuildWorkflow extends WorkflowEntrypoint<Env, RebuildParams> {
    override async run({ payload }: Readonly<WorkflowEvent<RebuildParams>>, step: WorkflowStep): Promise<void> {
      const steps: DurableSteps = {
        // The platform's type requires a serializable result, which a type parameter cannot prove. All results are plain data.
        do: <Result>(name: string, work: (isLastTry: boolean) => Promise<Result>) =>
          step.do(name, STEP, ({ attempt }) => work(attempt > STEP.retries.limit) as Promise<never>) as Promise<Result>,
        sleep: (name, ms) => step.sleep(name, ms),
      };
      await runBuild(contextOf(this.env), payload.projection, payload.build, steps);
    }
  };
}

/** Runs builds as instances of the Workflow. An instance has its build's id. */
export function workflowRunner(workflow: Workflow<RebuildParams>): BuildRunner {
  return {
    async launch(projection, build) {
      await workflow.create({ id: build, params: { projection, build } });
    },

    async revive(projection, build) {
      const instance = await instanceOf(workflow, build);
      if (!instance) {
        // The request that started the build died before it created the instance.
        await workflow.create({ id: build, params: { projection, build } });
        return 'goes-on';
      }
      const at = await instance.status();
      const { status } = at;
      if (ENDED.has(status)) return 'ended';
      if (status === 'queued') {
        // On the platform it waits for its turn. A local instance is queued only for a moment: its process was killed in that moment.
        if (LOCAL_MARK in at) await instance.restart();
        return 'goes-on';
      }
      // After its process was killed, a local instance says that it is running and does nothing. Pausing and resuming it helps.
      if (status !== 'paused') await instance.pause();
      await instance.resume();
      return 'goes-on';
    },

    async stop(build) {
      const instance = await instanceOf(workflow, build);
      const status = (await instance?.status())?.status;
      if (instance && status !== undefined && !ENDED.has(status)) await instance.terminate();
    },
  };
}

/** Only a local instance reports the results of its steps. */
const LOCAL_MARK = '__LOCAL_DEV_STEP_OUTPUTS';

const ENDED: ReadonlySet<string> = new Set(['complete', 'errored', 'terminated', 'unknown']);

/** The instance. Undefined if the platform knows none. */
async function instanceOf(workflow: Workflow<RebuildParams>, build: string): Promise<WorkflowInstance | undefined> {
  try {
    return await workflow.get(build);
  } catch {
    return undefined;
  }
}
