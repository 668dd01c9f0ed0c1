import { type BuildError, noteProgress } from '../projections/build.ts';
import { type BuildContext, BuildEnded } from './build-context.ts';

/** Durable steps: the result of a step is stored, and a step that throws is tried again. The platform's Workflows provide them. */
export interface DurableSteps {
  do<Result>(name: string, work: (isLastTry: boolean) => Promise<Result>): Promise<Result>;
  sleep(name: string, ms: number): Promise<void>;
}

/** The result of a step. A value, since errors lose their class on the way through a durable step. */
type StepOutcome<Result> =
  | { readonly outcome: 'done'; readonly result: Result }
  | { readonly outcome: 'ended'; readonly why?: BuildError };

/** The progress of a step of several parts. Plain JSON. */
interface PartProgress {
  readonly isDone: boolean;
  /** Time, in ms, to sleep before the next part. Default: none. */
  readonly napMs?: number;
}

/** Runs the steps of one build as durable steps. They throw `BuildEnded`. */
export function stepsOf(build: BuildContext, steps: DurableSteps) {
  async function once<Result>(name: string, step: (build: BuildContext) => Promise<Result>): Promise<Result> {
    const outcome = await steps.do(name, (isLastTry) => tried(build, step, isLastTry));
    if (outcome.outcome === 'done') return outcome.result;
    throw new BuildEnded(outcome.why);
  }

  /** Runs a step part by part until it is done. Each part is a durable step. */
  async function untilDone<Progress extends PartProgress>(
    name: string,
    step: (build: BuildContext, from?: Progress) => Promise<Progress>,
  ): Promise<Progress> {
    let progress: Progress | undefined;
    for (let part = 1; ; part += 1) {
      const from = progress;
      progress = await once(`${name}, part ${part}`, () => step(build, from));
      if (progress.isDone) return progress;
      if (progress.napMs !== undefined) await steps.sleep(`${name}, nap ${part}`, progress.napMs);
    }
  }

  return { once, untilDone };
}

/** Tries a step once. Records its error, whether the step is tried again or this was the last try. */
async function tried<Result>(
  build: BuildContext,
  step: (build: BuildContext) => Promise<Result>,
  isLastTry: boolean,
): Promise<StepOutcome<Result>> {
  try {
    return { outcome: 'done', result: await step(build) };
  } catch (error) {
    if (error instanceof BuildEnded) return { outcome: 'ended', ...(error.why && { why: error.why }) };
    const why = { message: String(error) };
    if (isLastTry) return { outcome: 'ended', why };
    await noteTrouble(build, why);
    throw error;
  }
}

/** Never throws: the database itself may be away. */
async function noteTrouble({ database, name, id, report, at }: BuildContext, trouble: BuildError): Promise<void> {
  try {
    await noteProgress(database, id, { trouble, at: at() });
  } catch (error) {
    report('build.trouble-not-noted', { projection: name, build: id, error: String(error) });
  }
}
