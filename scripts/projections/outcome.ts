import { duration } from '../progress.ts';
import type { Build, ProjectionStatus } from './builds.ts';
import { describeDifferences, describeHeld, rowsOf } from './differences.ts';

/** The command line for a projection, with more words after its name. */
export type CommandLine = (command: 'rebuild' | 'rollback', ...words: readonly string[]) => string;

/** What has become of a build, in lines for a terminal, and what can be done now; `rollback` is the way back, after a swap. */
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
        ...comparisonOf(build, 'what was live before'),
        ...(rollback ? [`The way back${untilOf(rollback)}:`, `  ${commandLine('rollback')}`] : []),
      ];
    case 'awaiting-acceptance':
      return [
        `Not swapped: ${build.dryRun ? 'it was asked to compare only' : 'the two differ'}; ${effortOf(build)}.`,
        ...comparisonOf(build, 'what is live'),
        'To swap it in:',
        `  ${commandLine('rebuild', '--accept', id)}`,
        'To leave what is live as it is:',
        `  ${commandLine('rebuild', '--cancel', id)}`,
      ];
    case 'failed':
      return [
        `The build has failed; what is live had no part in it. ${build.error?.message ?? ''}`,
        ...eventOf(build).map((words) => `The event is ${words}.`),
      ];
    case 'cancelled':
      return ['The build was cancelled; what is live had no part in it.'];
    default:
      return [
        `The build is on its way (${state}).`,
        ...(build.error ? [`Its last try, which is tried again, met: ${build.error.message}`] : []),
      ];
  }
}

/** Until when the former slot is kept up to date, for a sentence about it. */
export function untilOf(rollback: ProjectionStatus['rollback']): string {
  return rollback?.until ? ` until ${rollback.until}` : '';
}

/** The event that a build could not take, if that was it. */
export function eventOf({ error }: Build): readonly string[] {
  if (error?.stream === undefined) return [];
  const { stream, version, kind } = error;
  const where = `GET /streams/${stream}/events?fromVersion=${version}&limit=1`;
  return [`version ${version} of ${stream}${kind === undefined ? '' : `, ${kind}`}: ${where}`];
}

/** How many events were folded, in what time. */
export function effortOf({ replayed, startedAt, updatedAt }: Build): string {
  const took = duration(Date.parse(updatedAt) - Date.parse(startedAt));
  return `folded anew from ${new Intl.NumberFormat('en').format(replayed)} events in ${took}`;
}

function comparisonOf({ differences, projection }: Build, other: string): readonly string[] {
  if (!differences) return [];
  const held = describeHeld(differences, projection);
  if (differences.isEqual) return [`It equals ${other}: ${rowsOf(differences)}.`, ...held];
  return [`It differs from ${other}:`, '', ...describeDifferences(differences), '', ...held];
}
