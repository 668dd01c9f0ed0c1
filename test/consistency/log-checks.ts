import { type Branch, has, stoodTogether } from './branches.ts';
import type { Acknowledged, CommandOperation, IndexedHistory, LoggedEvent, Operation, Refused } from './history.ts';
import { type Sightings, isFromObject, shownBy } from './sightings.ts';
import { type Report, capital, who } from './violation.ts';

/** The events that one attempt appended. They must be adjacent. */
export interface Block {
  readonly attempt: CommandOperation;
  readonly stream: string;
  readonly events: readonly LoggedEvent[];
  readonly first: number;
  readonly last: number;
  /** The branch of the stream that it was appended to. */
  readonly branch: Branch;
}

/** What each attempt appended, by its id: more than once only where a restore has lost it in between. */
export type Blocks = ReadonlyMap<number, readonly Block[]>;

/** Judges the logs by themselves (I1), what restores have lost of them too, and finds out who wrote what. O(events). */
export function checkLogs({ branches, byCorrelationId }: IndexedHistory, report: Report): Blocks {
  const blocks = new Map<number, readonly Block[]>();
  const ids = new Map<string, string>();
  for (const stream of branches.streams) {
    for (const branch of branches.of(stream)) {
      checkBranch(stream, branch, ids, report);
      for (const block of blocksOf(stream, branch, byCorrelationId, report)) {
        const { attempt } = block;
        const others = blocks.get(attempt.id) ?? [];
        for (const other of others.filter((each) => areTogether(each, block, branches.of(stream)))) {
          const why = `The command that ${who(attempt)} sent once was applied twice: as ${rangeOf(other)} and as ${rangeOf(block)}.`;
          report('one-outcome', [attempt], stream, why);
        }
        blocks.set(attempt.id, [...others, block]);
      }
    }
  }
  return blocks;
}

/** What was appended to one branch of a stream: where it stands, and after what. */
function checkBranch(stream: string, { log, own }: Branch, ids: Map<string, string>, report: Report): void {
  const start = log.length - own.length;
  for (const [offset, event] of own.entries()) {
    const index = start + offset;
    const place = `${stream}@${event.version}`;
    if (event.version !== index + 1) {
      const why = `The log of ${stream} has version ${event.version} where ${index + 1} belongs.`;
      report('log-order', [], stream, why);
    }
    const twin = ids.get(event.id);
    if (twin !== undefined) report('log-order', [], stream, `${place} and ${twin} have the same event id ${event.id}.`);
    ids.set(event.id, place);
    const before = log[index - 1];
    if (before && before.recordedAt > event.recordedAt) {
      const why = `${place} was recorded at ${event.recordedAt}, before its predecessor (${before.recordedAt}).`;
      report('log-order', [], stream, why);
    }
  }
}

/** Whether two blocks ever stood in the logs at the same time. In two streams they did: at the least nothing says otherwise. */
function areTogether(one: Block, other: Block, branches: readonly Branch[]): boolean {
  if (one.stream !== other.stream) return true;
  return stoodTogether(branches, lastOf(one), lastOf(other));
}

function lastOf({ events }: Block): LoggedEvent {
  return events.at(-1) as LoggedEvent;
}

function blocksOf(
  stream: string,
  branch: Branch,
  byCorrelationId: ReadonlyMap<string, CommandOperation>,
  report: Report,
): readonly Block[] {
  const runs: LoggedEvent[][] = [];
  for (const event of branch.own) {
    const run = runs.at(-1);
    if (run && run[0]?.correlationId === event.correlationId) run.push(event);
    else runs.push([event]);
  }
  return runs.flatMap((run) => {
    const [{ correlationId, version: first }, last] = [run[0] as LoggedEvent, (run.at(-1) as LoggedEvent).version];
    if (correlationId === null) return [];
    const attempt = byCorrelationId.get(correlationId);
    if (!attempt) {
      report(
        'phantom',
        [],
        stream,
        `${stream}@${first} has the correlation id ${correlationId}, which no client ever sent.`,
      );
      return [];
    }
    return [{ attempt, stream, events: run, first, last, branch }];
  });
}

/** Judges each command's outcome against the logs. O(operations), with a binary search for some. */
export function checkOutcomes(indexed: IndexedHistory, blocks: Blocks, sightings: Sightings, report: Report): void {
  const attempts = attemptsByKey(indexed);
  for (const operation of indexed.history.operations) {
    checkShown(indexed, operation, report);
    if (operation.kind !== 'command') continue;
    const its = blocks.get(operation.id) ?? [];
    for (const block of its) checkBlock(operation, block, sightings, report);
    if (operation.outcome.kind === 'acknowledged') {
      const candidates = its.length > 0 ? its : blocksOfKey(operation, attempts, blocks);
      checkAcknowledged(indexed, operation, operation.outcome, candidates, report);
    }
    if (operation.outcome.kind === 'refused') {
      // What a restore had lost before the refusal came was not done, as that says.
      const there = its.filter(
        (block) => endOf(block, indexed.branches.of(block.stream)) > (operation.completedAt ?? 0),
      );
      checkRefused(operation, operation.outcome, there, sightings, report);
    }
  }
  for (const group of attempts.values()) checkKey(indexed, group, blocks, sightings, report);
}

/** I1: every shown event was written. An object shows its log. A read model may show a log that was set back since. */
function checkShown({ branches }: IndexedHistory, operation: Operation, report: Report): void {
  const { invokedAt, completedAt, outcome } = operation;
  // A write that was acknowledged and is not there is lost: see below.
  if (outcome.kind === 'acknowledged') return;
  const from = isFromObject(operation) ? invokedAt : -Infinity;
  for (const { stream, version } of shownBy(operation)) {
    const ends = branches.between(stream, from, completedAt ?? Infinity).map(({ log }) => log.length);
    const end = Math.max(0, ...ends);
    if (version <= end) continue;
    const why = `${capital(who(operation))} was shown ${stream} at version ${version}, but its log ends at ${end}: no command wrote that.`;
    report('phantom', [operation], stream, why);
  }
}

/** Compares the events of an attempt with its request. */
function checkBlock(operation: CommandOperation, block: Block, sightings: Sightings, report: Report): void {
  const { stream, first, events, branch } = block;
  if (operation.stream !== null && operation.stream !== stream) {
    const why = `${capital(who(operation))} sent ${operation.command} to ${operation.stream}, but it was written to ${stream}@${first}.`;
    report('phantom', [operation], stream, why);
  }
  if (events.length > operation.appends) {
    const why = `${operation.command} of ${who(operation)} appends ${eventsOf(operation.appends)}, but it was applied more than once: as ${rangeOf(block)}.`;
    report('one-outcome', [operation], stream, why);
  }
  if (events.length < operation.appends) {
    const why = `${operation.command} of ${who(operation)} appends ${eventsOf(operation.appends)} together, but only ${rangeOf(block)} is in the log.`;
    report('torn-write', [operation], stream, why);
  }
  const { expectedVersion } = operation;
  if (expectedVersion !== null && first !== expectedVersion + 1) {
    const why = `${capital(who(operation))} expected ${stream} at version ${expectedVersion}, but ${operation.command} was appended as version ${first}, upon version ${first - 1}.`;
    report('expected-version', [operation], stream, why);
  }
  const sighting = sightings.reached(stream, first, branch);
  if (sighting && sighting.completedAt < operation.invokedAt) {
    const seen = sighting.operation;
    const isWrite = seen.kind === 'command';
    const how = isWrite ? 'had been told of' : 'had already seen';
    const why = `${capital(who(seen))} ${how} version ${sighting.version} of ${stream} before ${who(operation)} even sent the command that wrote version ${first}.`;
    report(isWrite ? 'write-order' : 'phantom', [seen, operation], stream, why);
  }
}

/**
 * I2: an acknowledged command's events are in the log at the version that was returned, or were there until a restore lost them: then the
 * command had been sent before that.
 */
function checkAcknowledged(
  { branches }: IndexedHistory,
  operation: CommandOperation,
  { stream, version }: Acknowledged,
  candidates: readonly Block[],
  report: Report,
): void {
  const told = `${capital(who(operation))} was told that ${operation.command} is ${stream}@${version}`;
  const all = branches.of(stream);
  const head = all.at(-1)?.log.length ?? 0;
  // What appended nothing is at a version that the log had while the command was under way. Where the key has done something, it did so in
  // another branch.
  const mayAppendNothing = operation.appends === 0 || operation.mayDoNothing;
  const isAlone = candidates.length === 0 || branches.isRestored(stream);
  const answered = branches.between(stream, operation.invokedAt, operation.completedAt ?? Infinity);
  if (mayAppendNothing && isAlone && answered.some(({ log }) => version <= log.length)) return;
  const matching = candidates.filter((block) => block.stream === stream && block.last === version);
  const [match] = matching;
  const [block] = candidates;
  if (match) {
    const lostAt = Math.max(...matching.map((each) => endOf(each, all)));
    if (lostAt > operation.invokedAt) return;
    report('lost-history', [operation], stream, `${told}, which a restore had lost before the command was sent.`);
  } else if (version > head) {
    const why = `${told}, but the log ends at version ${head}: the write is lost.`;
    report('lost-write', [operation], stream, why);
  } else if (!mayAppendNothing && !block) {
    const why = `${told}, but another command wrote that version: the write is lost.`;
    report('lost-write', [operation], stream, why);
  } else if (block) {
    report('one-outcome', [operation, block.attempt], stream, `${told}, but what it wrote is ${rangeOf(block)}.`);
  }
}

/** When a restore lost a block; Infinity: it is there. */
function endOf(block: Block, branches: readonly Branch[]): number {
  return branches.findLast(({ log }) => has(log, lastOf(block)))?.until ?? Infinity;
}

/** A refusal says that nothing was done, and knows all that was acknowledged before. */
function checkRefused(
  operation: CommandOperation,
  { code, currentVersion }: Refused,
  blocks: readonly Block[],
  sightings: Sightings,
  report: Report,
): void {
  for (const block of blocks) {
    const check = code === 'version-mismatch' ? 'expected-version' : 'refused-yet-applied';
    const why = `${capital(who(operation))} was refused with ${code}, but its ${operation.command} is in the log as ${rangeOf(block)}.`;
    report(check, [operation], block.stream, why);
  }
  const { stream } = operation;
  if (stream === null) return;
  if (code === 'version-mismatch' && currentVersion === operation.expectedVersion) {
    const why = `${capital(who(operation))} was refused because ${stream} is at version ${currentVersion}, which is the one it expected.`;
    report('expected-version', [operation], stream, why);
  }
  const says = code === 'not-found' ? 0 : currentVersion;
  const known = sightings.knownBefore(stream, operation);
  if (says !== null && known && says < known.version) {
    const why = `${capital(who(operation))} was told that ${stream} is ${says === 0 ? 'not there' : `at version ${says}`}, but ${who(known.operation)} had been shown version ${known.version} before.`;
    report('lost-write', [operation, known.operation], stream, why);
  }
}

/** Attempts under one key in its scope, in the order in which they were sent. */
function attemptsByKey({ history }: IndexedHistory): ReadonlyMap<string, readonly CommandOperation[]> {
  const groups = new Map<string, CommandOperation[]>();
  for (const operation of history.operations) {
    if (operation.kind !== 'command' || operation.idempotency === null) continue;
    const name = keyOf(operation.idempotency);
    const group = groups.get(name);
    if (group) group.push(operation);
    else groups.set(name, [operation]);
  }
  for (const group of groups.values()) group.sort((one, other) => one.invokedAt - other.invokedAt);
  return groups;
}

function keyOf({ scope, key }: { readonly scope: string; readonly key: string }): string {
  return JSON.stringify([scope, key]);
}

function blocksOfKey(
  { idempotency }: CommandOperation,
  attempts: ReadonlyMap<string, readonly CommandOperation[]>,
  blocks: Blocks,
): readonly Block[] {
  const group = idempotency === null ? [] : (attempts.get(keyOf(idempotency)) ?? []);
  return group.flatMap(({ id }) => blocks.get(id) ?? []);
}

/** Refusals because of the stream's own state: the same command upon the same state gets the same answer. */
const REFUSED_BY_STATE = new Set(['wrong-state', 'version-mismatch', 'sku-taken', 'not-found', 'nothing-to-return']);

/**
 * I3, I4: all attempts under one key together are applied at most once, and everybody is told that outcome. What a restore has lost may be
 * applied once more: the object has forgotten the key with it.
 */
function checkKey(
  { branches }: IndexedHistory,
  group: readonly CommandOperation[],
  blocks: Blocks,
  sightings: Sightings,
  report: Report,
): void {
  const key = `the key ${group[0]?.idempotency?.key}`;
  const all = group.flatMap(({ id }) => blocks.get(id) ?? []).toSorted((one, other) => one.first - other.first);
  for (const [index, another] of all.entries()) {
    const together = (each: Block) =>
      each.attempt !== another.attempt && areTogether(each, another, branches.of(another.stream));
    const before = all.slice(0, index).find(together);
    if (!before) continue;
    const why = `${capital(key)} was applied twice: by ${who(before.attempt)} as ${rangeOf(before)}, and by ${who(another.attempt)} as ${rangeOf(another)}.`;
    report('one-outcome', [another.attempt, before.attempt], another.stream, why);
  }
  if (all.length === 0) checkNothingDone(branches, group, key, report);
  // Lost events say nothing about later ones.
  const block = all.find((each) => endOf(each, branches.of(each.stream)) === Infinity);
  const isForgotten = all.some(({ stream }) => branches.isRestored(stream));
  const acknowledged = isForgotten ? undefined : group.find(({ outcome }) => outcome.kind === 'acknowledged');
  const applied = isForgotten ? undefined : (block?.attempt ?? acknowledged);
  for (const attempt of group) {
    const { outcome, fingerprint } = attempt;
    if (outcome.kind === 'acknowledged' && applied && fingerprint !== applied.fingerprint) {
      const why = `${capital(who(attempt))} sent another body under ${key} than ${who(applied)} had, and was not refused.`;
      report('one-outcome', [attempt, applied], outcome.stream, why);
    }
    if (outcome.kind !== 'refused') continue;
    if (outcome.code === 'key-reused' && group.every((other) => other.fingerprint === fingerprint)) {
      const why = `${capital(who(attempt))} was told that ${key} came with another body before, but it never did.`;
      report('one-outcome', [attempt], attempt.stream, why);
    }
    if (block && refusesWhatWasApplied(attempt, outcome, block, sightings)) {
      const why = `${capital(who(attempt))} was refused with ${outcome.code}, although the same command under ${key} (${who(block.attempt)}) is applied as ${rangeOf(block)}.`;
      report('one-outcome', [attempt, block.attempt], block.stream, why);
    }
  }
}

/** I3: where no attempt under a key appended anything, each of them was told the version that the first one met. */
function checkNothingDone(
  branches: IndexedHistory['branches'],
  group: readonly CommandOperation[],
  key: string,
  report: Report,
): void {
  const told = group.flatMap((attempt) => {
    const { outcome } = attempt;
    return outcome.kind === 'acknowledged' && !branches.isRestored(outcome.stream) ? [{ attempt, ...outcome }] : [];
  });
  const [first, ...others] = told;
  for (const other of others) {
    if (!first || other.version === first.version) continue;
    const why = `${capital(key)} did nothing, and ${who(first.attempt)} was told ${first.stream}@${first.version}, but ${who(other.attempt)} was told ${other.stream}@${other.version}.`;
    report('one-outcome', [other.attempt, first.attempt], other.stream, why);
  }
}

/**
 * Whether a refusal contradicts what another attempt did. It does if that had been done before this one was sent. It does as well if the
 * stream was known to have come to the version upon which that was done: then this one met either that state, in which it is accepted, or
 * one after it, in which it is replayed.
 */
function refusesWhatWasApplied(
  attempt: CommandOperation,
  { code }: Refused,
  block: Block,
  sightings: Sightings,
): boolean {
  const isSame =
    attempt.fingerprint === block.attempt.fingerprint && attempt.expectedVersion === block.attempt.expectedVersion;
  if (!isSame || attempt === block.attempt) return false;
  const isBefore = (version: number): boolean => {
    const sighting = sightings.reached(block.stream, version, block.branch);
    return version === 0 || (sighting !== undefined && sighting.completedAt < attempt.invokedAt);
  };
  if (REFUSED_BY_STATE.has(code)) return isBefore(block.first - 1);
  return (
    ['unknown-sku', 'mixed-currencies', 'price-not-positive', 'duplicate-sku'].includes(code) && isBefore(block.last)
  );
}

function eventsOf(count: number): string {
  return count === 1 ? 'one event' : `${count} events`;
}

function rangeOf({ stream, first, last }: Block): string {
  return first === last ? `${stream}@${first}` : `${stream}@${first} to ${last}`;
}
