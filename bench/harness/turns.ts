import type { Server } from './server.ts';

/**
 * Measures in turns: A B, B A, A B … so that what drifts on the machine hits all of them alike. Returns what was measured, by subject, in the
 * order of the turns.
 */
export async function byTurns<Subject, Measure>(
  subjects: readonly Subject[],
  turns: number,
  measure: (subject: Subject, turn: number) => Promise<Measure>,
): Promise<readonly (readonly Measure[])[]> {
  const measured = subjects.map((subject) => ({ subject, measures: [] as Measure[] }));
  for (let turn = 0; turn < turns; turn += 1) {
    for (const { subject, measures } of turn % 2 === 0 ? measured : measured.toReversed())
      measures.push(await measure(subject, turn));
  }
  return measured.map(({ measures }) => measures);
}

/** Measures contenders by turns. While one has its turn the others are halted. */
export async function inTurns<Measure>(
  servers: readonly Server[],
  turns: number,
  measure: (server: Server, turn: number) => Promise<Measure>,
): Promise<readonly (readonly Measure[])[]> {
  for (const server of servers) server.pause();
  const measured = await byTurns(servers, turns, async (server, turn) => {
    server.resume();
    const one = await measure(server, turn);
    server.pause();
    return one;
  });
  for (const server of servers) server.resume();
  return measured;
}

/** One of two contenders that are measured each in its own way. */
interface Side<Measure> {
  readonly server: Server;
  readonly measure: () => Promise<Measure>;
}

/** As `inTurns`, for two of which each has its own measure. */
export async function inTurnsOfTwo<One, Other>(
  one: Side<One>,
  other: Side<Other>,
  turns: number,
): Promise<readonly [readonly One[], readonly Other[]]> {
  const ours: One[] = [];
  const theirs: Other[] = [];
  await inTurns([one.server, other.server], turns, async (server) => {
    if (server === one.server) ours.push(await one.measure());
    else theirs.push(await other.measure());
  });
  return [ours, theirs];
}
