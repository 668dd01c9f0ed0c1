import { duration } from '../progress.ts';
import type { Build, ProjectionStatus } from './builds.ts';
import { describeDifferences, describeHeld, rowsOf } from './differences.ts';

/** Makes the command line for a projection, with more words after its name. */
export type CommandLine = (command: 'rebuild' | 'rollback', ...words: readonly string[]) => string;

/** The outcome of a build and the possible next steps, in lines for a terminal. `rollback` is the former slot after a swap. */
export function describeOutcome(
  build: Build,
  commandLine: CommandLine,
  rollback: ProjectionStatus['rollback'],
): readonly string[] {
  const { id, projection, state, revision } = build;
  switch (state) {
    case 'swapped':
      return [
        `Swapped: revision ${revision} of ${projection} is live, ${effortOf(build)}.`,
        ...comparisonOf(build, 'the former slot'),
        ...(rollback ? [`A rollback is possible${untilOf(rollback)}:`, `  ${commandLine('rollback')}`] : []),
      ];
    case 'awaiting-acceptance':
      return [
        `Not swapped: the build ${build.dryRun ? 'only compares' : 'differs from the live slot'}. It was ${effortOf(build)}.`,
        ...comparisonOf(build, 'the live slot'),
        'To swap it in:',
        `  ${commandLine('rebuild', '--accept', id)}`,
        'To keep the live slot:',
        `  ${commandLine('rebuild', '--cancel', id)}`,
      ];
    case 'failed':
      return [
        `The build failed. The live slot is unchanged. ${build.error?.message ?? ''}`,
        ...eventOf(build).map((words) => `The event is ${words}.`),
      ];
    case 'cancelled':
      return ['The build was cancelled. The live slot is unchanged.'];
    default:
      return [
        `The build is running (${state}).`,
        ...(build.error ? [`Its last try failed, and is retried: ${build.error.message}`] : []),
      ];
  }
}

/** The time until which the former slot is kept up to date, for a sentence. */
export function untilOf(rollback: ProjectionStatus['rollback']): string {
  return rollback?.until ? ` until ${rollback.until}` : '';
}

/** The event at which a build failed, if an event was the cause. */
export function eventOf({ error }: Build): readonly string[] {
  if (error?.stream === undefined) return [];
  const { stream, version, kind } = error;
  const where = `GET /streams/${stream}/events?fromVersion=${version}&limit=1`;
  return [`version ${version} of ${stream}${kind === undefined ? '' : `, ${kind}`}: ${where}`];
}

/** The number of replayed events and the time, for a sentence. */
export function effortOf({ replayed, startedAt, updatedAt }: Build): string {
  const took = duration(Date.parse(updatedAt) - Date.parse(startedAt));
  return `built from ${new Intl.NumberFormat('en').format(replayed)} events in ${took}`;
}

function comparisonOf({ differences, projection }: Build, other: string): readonly string[] {
  if (!differences) return [];
  const held = describeHeld(differences, projection);
  if (differences.isEqual) return [`It equals ${other}: ${rowsOf(differences)}.`, ...held];
  return [`It differs from ${other}:`, '', ...describeDifferences(differences), '', ...held];
}
