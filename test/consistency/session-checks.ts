import { type CausalPast, CausalPastOfPath, type Seen, type SeenFigure } from './causal-past.ts';
import {
  type CommandOperation,
  type FeedAnswer,
  type FeedOperation,
  type IndexedHistory,
  type ListAnswer,
  type ListOperation,
  type Operation,
  type ReadAnswer,
  type ReadOperation,
  type SumAnswer,
  type SumOperation,
  categoryOf,
  tokensOf,
} from './history.ts';
import type { FeedPositions } from './feed-checks.ts';
import type { Blocks } from './log-checks.ts';
import { checkCommandOnRestored, checkReadOfRestored, isSetBack, stillNamed, stillShown } from './restored-checks.ts';
import { type Sightings, shownBy } from './sightings.ts';
import { type AddedFigures, checkSum } from './sum-checks.ts';
import { type Check, type Report, capital, who, withTokens } from './violation.ts';

export interface SessionOptions {
  /**
   * Whether a stream, as it is at that version of its log, belongs into the answer: passes the filter, and lies on the page. Undefined:
   * cannot be told. `branch`: which of the logs that the stream has had, from 0; a log that was never set back is the only one.
   */
  readonly belongs?:
    | ((operation: ListOperation, stream: string, version: number, branch: number) => boolean | undefined)
    | undefined;
  readonly adds?: AddedFigures | undefined;
}

interface Judge extends SessionOptions {
  readonly indexed: IndexedHistory;
  readonly blocks: Blocks;
  readonly sightings: Sightings;
  readonly feeds: FeedPositions;
  readonly report: Report;
}

/**
 * Judges every operation by the causal past of the token that it carried: read-your-writes, monotonic reads, monotonic writes and
 * writes-follow-reads. Tokens form a tree, since each one continues the one that was sent; it is walked depth first. An operation that sent
 * several tokens is the root of a tree of its own, whose past is all that they vouch for.
 *
 * After Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal consistency" (POPL 2017): where every write is unique, violations are
 * bad patterns that can be looked for in polynomial time. Here a write is unique by (stream, version), and versions are the order of writes,
 * so their patterns (a read of an initial value that a write in the causal past has replaced, `WriteCOInitRead`; of a write that another one
 * in the causal past has overwritten, `WriteCORead`) come down to "the version is lower than that of the past". The causal order is not
 * theirs: it goes by tokens, as the system promises, and not from every write to its reader.
 */
export function checkSessions(judge: Judge): void {
  const { operations } = judge.indexed.history;
  const followers = new Map<number | null, Operation[]>();
  const merging: Operation[] = [];
  for (const operation of operations) {
    if (isMerging(operation)) {
      merging.push(operation);
      continue;
    }
    const siblings = followers.get(operation.tokenFrom);
    if (siblings) siblings.push(operation);
    else followers.set(operation.tokenFrom, [operation]);
  }
  const isTaken = new Set(merging.flatMap((operation) => tokensOf(operation)));
  /** The pasts that operations with several tokens take up. */
  const taken = new Map<number, CausalPastOfPath>();

  function walk(past: CausalPastOfPath, roots: readonly Operation[]): void {
    const toDo: (Operation | { readonly undoTo: number })[] = roots.toReversed();
    for (let next = toDo.pop(); next !== undefined; next = toDo.pop()) {
      if ('undoTo' in next) {
        past.undoTo(next.undoTo);
        continue;
      }
      toDo.push({ undoTo: past.mark });
      checkOperation(judge, next, past);
      extend(past, next);
      if (isTaken.has(next.id)) taken.set(next.id, past.copy());
      toDo.push(...(followers.get(next.id) ?? []).toReversed());
    }
  }

  walk(new CausalPastOfPath(), followers.get(null) ?? []);
  // In the order in which they were sent: what one of them takes up may come after another one.
  for (const operation of merging.toSorted((one, other) => one.invokedAt - other.invokedAt)) {
    const past = new CausalPastOfPath();
    for (const from of tokensOf(operation)) past.takeUp(taken.get(from) as CausalPastOfPath);
    // More streams than a token holds: the server has left some out before it read anything.
    if (operation.isPartial) past.forgetStreams();
    walk(past, [operation]);
  }
}

function isMerging({ tokensAlsoFrom = [] }: Operation): boolean {
  return tokensAlsoFrom.length > 0;
}

/** What an operation's answer adds to the token. */
function extend(past: CausalPastOfPath, operation: Operation): void {
  if (operation.outcome.kind === 'refused' && operation.outcome.code === 'invalid-causal-token') past.forgetAll();
  if (operation.isPartial) past.forgetStreams();
  if (operation.isShortened) past.shorten();
  switch (operation.kind) {
    case 'command':
      // A refusal that names the version has shown it.
      for (const { stream, version } of shownBy(operation)) past.seeEverywhere(stream, { version, by: operation });
      break;
    case 'read': {
      const { outcome, stream, readModel } = operation;
      if (outcome.kind !== 'resource' || outcome.version === 0) break;
      const seen = { version: outcome.version, by: operation };
      past.seeEverywhere(stream, seen);
      if (outcome.source === 'read-model') past.seeWithin(readModel, stream, seen);
      break;
    }
    case 'list':
    case 'search':
    case 'feed':
      for (const { stream, version } of shownBy(operation)) {
        past.seeWithin(operation.readModel, stream, { version, by: operation });
      }
      break;
    case 'sum':
      if (operation.outcome.kind !== 'figures') break;
      for (const name of operation.outcome.growing) {
        const value = BigInt(operation.outcome.figures[name] ?? 0);
        past.seeFigure(figureOf(operation, name), { value, by: operation });
      }
      break;
    default:
      operation satisfies never;
  }
}

function figureOf({ readModel, query }: SumOperation, name: string): string {
  return JSON.stringify([readModel, query, name]);
}

function checkOperation(judge: Judge, operation: Operation, past: CausalPast): void {
  switch (operation.kind) {
    case 'command':
      checkCommand(judge, operation, past);
      break;
    case 'read':
      if (operation.outcome.kind === 'resource') checkRead(judge, operation, operation.outcome, past);
      break;
    case 'list':
    case 'search':
      if (operation.outcome.kind === 'rows') checkList(judge, operation, operation.outcome, past);
      break;
    case 'sum':
      if (operation.outcome.kind === 'figures') checkFigures(judge, operation, operation.outcome, past);
      break;
    case 'feed':
      if (operation.outcome.kind === 'events') checkPoll(judge, operation, operation.outcome, past);
      break;
    default:
      operation satisfies never;
  }
}

/** The version that a read model has to show of a stream: the highest in the token's past that was not skipped there. */
function owed(
  { indexed }: Judge,
  past: CausalPast,
  operation: Operation & { readonly readModel: string },
  stream: string,
): Seen | undefined {
  const { readModel } = operation;
  const one = stillNamed(indexed, past, stream, operation, readModel);
  const within = past.within(readModel).get(stream);
  const other = within && stillShown(indexed, within, stream, operation, readModel);
  const seen = one && other ? (one.version >= other.version ? one : other) : (one ?? other);
  if (!seen) return undefined;
  let { version } = seen;
  while (version > 0 && indexed.skips.has(`${readModel}/${stream}@${version}`)) version -= 1;
  return version === 0 ? undefined : { ...seen, version };
}

function checkRead(judge: Judge, operation: ReadOperation, answer: ReadAnswer, past: CausalPast): void {
  const { version, source } = answer;
  const { indexed, sightings, report } = judge;
  const { stream, readModel, atLeast } = operation;
  const read = `${capital(who(operation))} ${version === 0 ? `was told that ${stream} is not there` : `read ${stream} at version ${version}`} (${source === 'read-model' ? readModel : source})`;
  const named = stillNamed(indexed, past, stream, operation, source === 'read-model' ? readModel : undefined);
  const seen = source === 'read-model' ? owed(judge, past, operation, stream) : named;
  if (seen && version < seen.version) {
    report(unseen(seen), [operation, seen.by], stream, `${read}, ${byToken(operation, seen)}`);
  }
  checkReadOfRestored(judge, operation, answer, named);
  if (atLeast !== null && version > 0 && version < atLeast) {
    report('asked-version', [operation], stream, `${read}, but had asked for version ${atLeast} or later.`);
  }
  if (source === 'read-model') return;
  // The object itself answered, so it may not be behind any client.
  const known = sightings.knownBefore(stream, operation);
  if (known && version < known.version) {
    const why = `${read}, but ${who(known.operation)} had been shown version ${known.version} before.`;
    report('lost-write', [operation, known.operation], stream, why);
  }
}

function isWritten({ by }: Seen): boolean {
  return by.outcome.kind === 'acknowledged';
}

function unseen(seen: Seen): Check {
  return isWritten(seen) ? 'read-your-writes' : 'monotonic-reads';
}

function byToken(operation: Operation, seen: Seen): string {
  const how = isWritten(seen) ? 'written' : 'seen';
  return `${withTokens(operation)}, whose past has version ${seen.version} (${how} by ${who(seen.by)}).`;
}

function checkList(judge: Judge, operation: ListOperation, { rows, incomplete }: ListAnswer, past: CausalPast): void {
  const { report, belongs } = judge;
  const { readModel } = operation;
  const shown = new Map<string, number>();
  const what = operation.kind === 'list' ? 'list' : 'search';
  for (const { stream, version } of rows) {
    const row = `${capital(who(operation))} got ${stream} at version ${version} in a ${what} of ${readModel}`;
    if (shown.has(stream)) report('wrong-row', [operation], stream, `${row}, and a second time.`);
    shown.set(stream, version);
    const branches = branchesWith(judge, operation, stream, version);
    if (branches.length > 0 && branches.every((branch) => belongs?.(operation, stream, version, branch) === false)) {
      const why = `${row}, which at that version does not match ${JSON.stringify(operation.query)}.`;
      report('wrong-row', [operation], stream, why);
    }
  }
  const streams = new Set([...past.everywhere.keys(), ...past.within(readModel).keys()]);
  for (const stream of streams) {
    if (!operation.categories.includes(categoryOf(stream)) || incomplete.includes(stream)) continue;
    const seen = owed(judge, past, operation, stream);
    if (!seen) continue;
    const version = shown.get(stream);
    if (version !== undefined && version < seen.version) {
      const why = `${capital(who(operation))} got ${stream} at version ${version} in a ${what} of ${readModel}, ${byToken(operation, seen)}`;
      report(unseen(seen), [operation, seen.by], stream, why);
    }
    if (version === undefined && mustBeThere(judge, operation, stream, seen.version)) {
      const why = `${capital(who(operation))} got a ${what} of ${readModel} without ${stream}, ${byToken(operation, seen).slice(0, -1)}; at that version, and at all that were written later, it matches ${JSON.stringify(operation.query)}.`;
      report(unseen(seen), [operation, seen.by], stream, why);
    }
  }
}

/** Which of the logs that a stream has had an answer may be of where it shows this version. */
function branchesWith(
  { indexed: { branches } }: Judge,
  { completedAt }: Operation,
  stream: string,
  version: number,
): readonly number[] {
  const all = branches.of(stream);
  if (!branches.isRestored(stream)) return [all.length - 1];
  const isPossible = (branch: number) =>
    (all[branch]?.from ?? 0) < (completedAt ?? Infinity) && (all[branch]?.log.length ?? 0) >= version;
  return [...all.keys()].filter(isPossible);
}

/** Whether a stream belongs into the answer at the version that is owed, and at all later ones that it may have had by then. */
function mustBeThere(judge: Judge, operation: ListOperation, stream: string, from: number): boolean {
  const { belongs, sightings, indexed } = judge;
  if (!belongs) return false;
  const to = Math.max(from, sightings.possibleAt(stream, operation.completedAt ?? Infinity));
  const branches = branchesWith(judge, operation, stream, from);
  for (const branch of branches) {
    const end = branches.length === 1 ? to : Math.min(to, indexed.branches.of(stream)[branch]?.log.length ?? 0);
    for (let version = from; version <= end; version += 1) {
      if (belongs(operation, stream, version, branch) !== true) return false;
    }
  }
  return branches.length > 0;
}

/** A client at the end of the feed has got all events of its token. */
function checkPoll(judge: Judge, operation: FeedOperation, { isEnd, incomplete }: FeedAnswer, past: CausalPast): void {
  if (!isEnd) return;
  const { readModel } = operation;
  const reached = judge.feeds.get(operation.id);
  for (const stream of new Set([...past.everywhere.keys(), ...past.within(readModel).keys()])) {
    const seen = incomplete.includes(stream) ? undefined : owed(judge, past, operation, stream);
    const version = reached?.get(stream)?.version ?? 0;
    if (!seen || version >= seen.version) continue;
    const why = `${capital(who(operation))} was told that there are no more events, having got ${stream} up to version ${version}, ${byToken(operation, seen)}`;
    judge.report(unseen(seen), [operation, seen.by], stream, why);
  }
}

function checkFigures(judge: Judge, operation: SumOperation, answer: SumAnswer, past: CausalPast): void {
  const { report, indexed, sightings, adds } = judge;
  for (const name of answer.growing) {
    const [before, value] = [past.figure(figureOf(operation, name)), BigInt(answer.figures[name] ?? 0)];
    if (!before || value >= before.value || mayFallBack(indexed, operation, before)) continue;
    const why = `${capital(who(operation))} got ${name} = ${value} from ${operation.readModel}, ${withTokens(operation)}, in whose past ${who(before.by)} had already got ${before.value}; and no event lowers it.`;
    report('monotonic-reads', [operation, before.by], null, why);
  }
  if (!adds) return;
  checkSum(operation, answer, adds, report, {
    streams: indexed.branches.streams,
    counted: (stream) => {
      const low = answer.incomplete.includes(stream) ? 0 : (owed(judge, past, operation, stream)?.version ?? 0);
      const to = Math.max(low, sightings.possibleAt(stream, operation.completedAt ?? Infinity));
      const branches = branchesWith(judge, operation, stream, low);
      return branches.flatMap((branch) => {
        const end = branches.length === 1 ? to : Math.min(to, indexed.branches.of(stream)[branch]?.log.length ?? 0);
        return Array.from({ length: end - low + 1 }, (_, index) => ({ version: low + index, branch }));
      });
    },
  });
}

/** Whether a figure that no event lowers may be lower, since its events are lost or its database was set back. */
function mayFallBack(indexed: IndexedHistory, operation: SumOperation, before: SeenFigure): boolean {
  const { completedAt, categories, readModel } = operation;
  const isLost = (indexed.history.restored?.logs ?? []).some(
    ({ stream, at }) => categories.includes(categoryOf(stream)) && at < (completedAt ?? Infinity),
  );
  return isLost || isSetBack(indexed, before, operation, readModel);
}

/** Monotonic writes and writes-follow-reads: what a command wrote comes after all that its token has seen, and was decided upon no less. */
function checkCommand(judge: Judge, operation: CommandOperation, past: CausalPast): void {
  const { indexed, blocks, report } = judge;
  for (const block of blocks.get(operation.id) ?? []) {
    const { stream, first, events } = block;
    const seen = stillNamed(indexed, past, stream, operation, undefined);
    if (seen && first <= seen.version) {
      const why = `${capital(who(operation))} wrote ${stream}@${first}, ${byToken(operation, seen)}`;
      report(isWritten(seen) ? 'monotonic-writes' : 'writes-follow-reads', [operation, seen.by], stream, why);
    }
    checkCommandOnRestored(judge, block, seen);
    for (const [other, version] of events.flatMap(({ saw }) => Object.entries(saw))) {
      const known = stillNamed(indexed, past, other, operation, undefined);
      if (!known || version >= known.version) continue;
      const why = `${capital(who(operation))} wrote ${stream}@${first} upon version ${version} of ${other}, ${byToken(operation, known)}`;
      report('writes-follow-reads', [operation, known.by], other, why);
    }
  }
}
