import type { History, LoggedEvent, RestoredLog } from './history.ts';

/** A stream's log between two restores. */
export interface Branch {
  /** Every event that stood in the log at its end. */
  readonly log: readonly LoggedEvent[];
  /** Those of them that no branch before it has: they were appended while it lasted. */
  readonly own: readonly LoggedEvent[];
  /** When it began and ended: moments, as those of operations. */
  readonly from: number;
  readonly until: number;
}

/**
 * Every log that each stream has had. One that was never restored has one branch. One that was set back to version 2 goes on from there with
 * other events, as another branch, and what came after version 2 stands in the branches before.
 */
export interface Branches {
  readonly streams: readonly string[];
  /** In order; the last one is the log as it is when all is over. Empty: nothing was ever in it. */
  of(stream: string): readonly Branch[];
  isRestored(stream: string): boolean;
  /** Those that had begun, and had not ended, at some time between two moments. */
  between(stream: string, from: number, until: number): readonly Branch[];
}

/** Puts the branches together from the last one backwards. O(events of restored streams, for each restore). */
export function branchesOf({ log, restored }: Pick<History, 'log' | 'restored'>): Branches {
  const restores = Map.groupBy(restored?.logs ?? [], ({ stream }) => stream);
  const known = new Map<string, readonly Branch[]>();

  function of(stream: string): readonly Branch[] {
    const before = known.get(stream);
    if (before) return before;
    const branches = branchesOfOne(log[stream] ?? [], restores.get(stream) ?? []);
    known.set(stream, branches);
    return branches;
  }

  return {
    streams: [...new Set([...Object.keys(log), ...restores.keys()])],
    of,
    isRestored: (stream) => restores.has(stream),
    between: (stream, from, until) => of(stream).filter((branch) => branch.from < until && branch.until > from),
  };
}

function branchesOfOne(last: readonly LoggedEvent[], unordered: readonly RestoredLog[]): readonly Branch[] {
  const restores = unordered.toSorted((one, other) => one.at - other.at);
  const logs = [last];
  for (const { to, lost } of restores.toReversed()) logs.unshift([...(logs[0] ?? []).slice(0, to), ...lost]);
  return logs.map((log, index) => {
    const [before, after] = [restores[index - 1], restores[index]];
    return { log, own: log.slice(before?.to ?? 0), from: before?.at ?? -Infinity, until: after?.at ?? Infinity };
  });
}

/** Whether two runs of events ever stood in one log. */
export function stoodTogether(branches: readonly Branch[], one: LoggedEvent, other: LoggedEvent): boolean {
  return branches.some(({ log }) => has(log, one) && has(log, other));
}

export function has(log: readonly LoggedEvent[], { id, version }: Pick<LoggedEvent, 'id' | 'version'>): boolean {
  return log[version - 1]?.id === id;
}
