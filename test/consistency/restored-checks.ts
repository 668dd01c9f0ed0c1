/** After a restore: the part of a token's past that still holds, and the answers that such a token must not get (I21). */
import { has } from './branches.ts';
import type { CausalPast, Seen } from './causal-past.ts';
import type { IndexedHistory, LoggedEvent, Operation, ReadOperation } from './history.ts';
import type { Block, Blocks } from './log-checks.ts';
import { isFromObject } from './sightings.ts';
import { type Report, capital, who, withTokens } from './violation.ts';

/** The moment of a restore, and the moment when all Workers knew of it. */
interface SetBack {
  readonly at: number;
  readonly announcedAt: number;
}

/**
 * Whether a token whose streams were left out may mislead here: what it saw was set back, and the Worker that answered may not have been told
 * yet. Once it is told it has to refuse such a token.
 */
function isInBetween(seen: Seen, { invokedAt, completedAt }: Operation, { at, announcedAt }: SetBack): boolean {
  return seen.by.invokedAt < announcedAt && invokedAt < announcedAt && (completedAt ?? Infinity) > at;
}

/** The token's own version of a stream, as far as a read model (or the object: undefined) still has to show it. */
export function stillNamed(
  { history, branches }: IndexedHistory,
  past: CausalPast,
  stream: string,
  operation: Operation,
  readModel: string | undefined,
): Seen | undefined {
  const seen = past.everywhere.get(stream);
  if (!seen || !past.isShortened) return seen;
  const logs = branches.isRestored(stream) ? (history.restored?.logs ?? []).filter((log) => log.stream === stream) : [];
  const databases = (history.restored?.databases ?? []).filter(
    ({ readModels }) => readModel !== undefined && readModels.includes(readModel),
  );
  return [...logs, ...databases].some((setBack) => isInBetween(seen, operation, setBack)) ? undefined : seen;
}

/**
 * What a read model has shown in a list, a sum or the feed, as far as it still owes it: only a bookmark vouches for that. So not what its
 * database had before it was set back; and of a log that was set back what every log has had since.
 */
export function stillShown(
  indexed: IndexedHistory,
  seen: Seen,
  stream: string,
  operation: Operation,
  readModel: string,
) {
  const { history, branches } = indexed;
  const { by, version } = seen;
  const until = operation.completedAt ?? Infinity;
  if (isSetBack(indexed, seen, operation, readModel)) return undefined;
  if (!branches.isRestored(stream)) return seen;
  const possible = eventsShown(indexed, by, stream, version, null);
  const later = branches.between(stream, by.invokedAt, until);
  const isIn = (log: readonly LoggedEvent[]) => possible.every((event) => has(log, event));
  if (possible.length > 0 && later.every(({ log }) => isIn(log))) return seen;
  const restores = (history.restored?.logs ?? []).filter((log) => log.stream === stream && log.at < until);
  const kept = Math.min(version, ...restores.map(({ to }) => to));
  return kept > 0 ? { ...seen, version: kept } : undefined;
}

/** Whether the database of a read model was set back between a sighting and an operation's answer. */
export function isSetBack(
  { history }: IndexedHistory,
  { by }: Pick<Seen, 'by'>,
  { completedAt }: Operation,
  readModel: string,
): boolean {
  return (history.restored?.databases ?? []).some(
    ({ readModels, at, announcedAt }) =>
      readModels.includes(readModel) && by.invokedAt < announcedAt && (completedAt ?? Infinity) > at,
  );
}

/** The events that an answer may have shown of a stream at a version: one, but for a log that was set back. */
export function eventsShown(
  { branches }: IndexedHistory,
  operation: Operation,
  stream: string,
  version: number,
  content: string | null,
): readonly LoggedEvent[] {
  const from = isFromObject(operation) ? operation.invokedAt : -Infinity;
  const possible = branches
    .between(stream, from, operation.completedAt ?? Infinity)
    .flatMap(({ log }) => log[version - 1] ?? []);
  const unique = [...new Map(possible.map((event) => [event.id, event])).values()];
  const alike = unique.filter((event) => content !== null && event.content === content);
  return alike.length > 0 ? alike : unique;
}

/** The events that a token's entry may stand for. */
function eventsSeen(indexed: IndexedHistory, blocks: Blocks, { by, version }: Seen, stream: string) {
  const written = (blocks.get(by.id) ?? []).filter((block) => block.stream === stream && block.last === version);
  if (by.outcome.kind === 'acknowledged' && written.length > 0)
    return written.flatMap(({ events }) => events.at(-1) ?? []);
  const content = by.outcome.kind === 'resource' ? by.outcome.content : null;
  return eventsShown(indexed, by, stream, version, content);
}

interface Judge {
  readonly indexed: IndexedHistory;
  readonly blocks: Blocks;
  readonly report: Report;
}

function fromLost(operation: Operation, stream: string, seen: Seen): string {
  return `${withTokens(operation)}, whose past has another event as version ${seen.version} of ${stream} (by ${who(seen.by)}): a restore has lost it.`;
}

/**
 * I21: who has seen an event that was lost is not answered from the history that took its place. The object knows every event of its log; a
 * read model that stands at that very version knows that one, and one beyond it need not compare.
 */
export function checkReadOfRestored(
  { indexed, blocks, report }: Judge,
  operation: ReadOperation,
  answer: { readonly version: number; readonly source: string; readonly content: string | null },
  seen: Seen | undefined,
): void {
  const { stream, readModel, invokedAt, completedAt } = operation;
  const { version, source, content } = answer;
  const { branches, history } = indexed;
  const read = `${capital(who(operation))} read ${stream} at version ${version} (${source === 'read-model' ? readModel : source})`;
  const stop = history.restored?.stopped.find(
    (each) => each.readModel === readModel && each.stream === stream && invokedAt > each.from,
  );
  // With a token a replica may answer that has not heard of it yet.
  if (
    stop &&
    source === 'read-model' &&
    operation.tokenFrom === null &&
    (completedAt ?? 0) < (stop.until ?? Infinity)
  ) {
    const why = `${read} without a token, though ${readModel} had stopped it: its log was set back.`;
    report('lost-history', [operation], stream, why);
  }
  if (!seen || !branches.isRestored(stream) || version < seen.version) return;
  if (source === 'read-model' && version > seen.version) return;
  const shown =
    version === seen.version
      ? eventsShown(indexed, operation, stream, version, content)
      : branches.between(stream, invokedAt, completedAt ?? Infinity).flatMap(({ log }) => log[seen.version - 1] ?? []);
  const known = eventsSeen(indexed, blocks, seen, stream);
  if (known.length === 0 || known.some(({ id }) => shown.some((event) => event.id === id))) return;
  report('lost-history', [operation, seen.by], stream, `${read}, ${fromLost(operation, stream, seen)}`);
}

/** I21: a command of a client that has seen a lost event appends nothing to the events that replaced it. */
export function checkCommandOnRestored(
  { indexed, blocks, report }: Judge,
  { attempt, stream, first, branch }: Block,
  seen: Seen | undefined,
): void {
  if (!seen || !indexed.branches.isRestored(stream) || first <= seen.version) return;
  const known = eventsSeen(indexed, blocks, seen, stream);
  if (known.length === 0 || known.some((event) => has(branch.log, event))) return;
  const why = `${capital(who(attempt))} wrote ${stream}@${first}, ${fromLost(attempt, stream, seen)}`;
  report('lost-history', [attempt, seen.by], stream, why);
}
