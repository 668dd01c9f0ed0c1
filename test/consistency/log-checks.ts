import type { Acknowledged, CommandOperation, IndexedHistory, LoggedEvent, Refused } from './history.ts';
import { type Sightings, shownBy } from './sightings.ts';
import { type Report, capital, who } from './violation.ts';

/** The events that one attempt appended: they have to stand side by side. */
export interface Block {
  readonly attempt: CommandOperation;
  readonly stream: string;
  readonly events: readonly LoggedEvent[];
  readonly first: number;
  readonly last: number;
}

/** What each attempt appended, by its id. */
export type Blocks = ReadonlyMap<number, Block>;

/** Judges the logs by themselves (I1), and finds out who wrote what. O(events). */
export function checkLogs({ history, byCorrelationId }: IndexedHistory, report: Report): Blocks {
  const blocks = new Map<number, Block>();
  const ids = new Map<string, string>();
  for (const [stream, events] of Object.entries(history.log)) {
    for (const [index, event] of events.entries()) {
      const place = `${stream}@${event.version}`;
      if (event.version !== index + 1) {
        report(
          'log-order',
          [],
          stream,
          `The log of ${stream} has version ${event.version} where ${index + 1} belongs.`,
        );
      }
      const twin = ids.get(event.id);
      if (twin !== undefined)
        report('log-order', [], stream, `${place} and ${twin} have the same event id ${event.id}.`);
      ids.set(event.id, place);
      const before = events[index - 1];
      if (before && before.recordedAt > event.recordedAt) {
        report(
          'log-order',
          [],
          stream,
          `${place} was recorded at ${event.recordedAt}, before its predecessor (${before.recordedAt}).`,
        );
      }
    }
    for (const block of blocksOf(stream, events, byCorrelationId, report)) {
      const { attempt } = block;
      const other = blocks.get(attempt.id);
      if (other) {
        const why = `The command that ${who(attempt)} sent once was applied twice: as ${rangeOf(other)} and as ${rangeOf(block)}.`;
        report('one-outcome', [attempt], stream, why);
      } else {
        blocks.set(attempt.id, block);
      }
    }
  }
  return blocks;
}

function blocksOf(
  stream: string,
  events: readonly LoggedEvent[],
  byCorrelationId: ReadonlyMap<string, CommandOperation>,
  report: Report,
): readonly Block[] {
  const runs: LoggedEvent[][] = [];
  for (const event of events) {
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
    return [{ attempt, stream, events: run, first, last }];
  });
}

/** Judges each command's outcome against the logs. O(operations), with a binary search for some. */
export function checkOutcomes(indexed: IndexedHistory, blocks: Blocks, sightings: Sightings, report: Report): void {
  const { log } = indexed.history;
  const headOf = (stream: string): number => log[stream]?.length ?? 0;
  const attempts = attemptsByKey(indexed);

  for (const operation of indexed.history.operations) {
    for (const { stream, version } of shownBy(operation)) {
      // A write that was acknowledged and is not there is lost: see below.
      if (version <= headOf(stream) || operation.outcome.kind === 'acknowledged') continue;
      const why = `${capital(who(operation))} was shown ${stream} at version ${version}, but its log ends at ${headOf(stream)}: nobody wrote that.`;
      report('phantom', [operation], stream, why);
    }
    if (operation.kind !== 'command') continue;
    const block = blocks.get(operation.id);
    if (block) checkBlock(operation, block, sightings, report);
    if (operation.outcome.kind === 'acknowledged') {
      checkAcknowledged(operation, operation.outcome, block ?? blockOfKey(operation, attempts, blocks), headOf, report);
    }
    if (operation.outcome.kind === 'refused') checkRefused(operation, operation.outcome, block, sightings, report);
  }
  for (const group of attempts.values()) checkKey(group, blocks, sightings, report);
}

/** What an attempt wrote, against what it asked for. */
function checkBlock(operation: CommandOperation, block: Block, sightings: Sightings, report: Report): void {
  const { stream, first, events } = block;
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
  const sighting = sightings.reached(stream, first);
  if (sighting && sighting.completedAt < operation.invokedAt) {
    const seen = sighting.operation;
    const isWrite = seen.kind === 'command';
    const how = isWrite ? 'had been told of' : 'had already seen';
    const why = `${capital(who(seen))} ${how} version ${sighting.version} of ${stream} before ${who(operation)} even sent the command that wrote version ${first}.`;
    report(isWrite ? 'write-order' : 'phantom', [seen, operation], stream, why);
  }
}

/** I2: an acknowledged command's events are in the log at the version that was returned. */
function checkAcknowledged(
  operation: CommandOperation,
  { stream, version }: Acknowledged,
  block: Block | undefined,
  headOf: (stream: string) => number,
  report: Report,
): void {
  const told = `${capital(who(operation))} was told that ${operation.command} is ${stream}@${version}`;
  if (version > headOf(stream)) {
    report(
      'lost-write',
      [operation],
      stream,
      `${told}, but the log ends at version ${headOf(stream)}: the write is lost.`,
    );
  } else if (operation.appends > 0 && !block) {
    report(
      'lost-write',
      [operation],
      stream,
      `${told}, but that version was written by somebody else: the write is lost.`,
    );
  } else if (block && (block.stream !== stream || block.last !== version)) {
    report('one-outcome', [operation, block.attempt], stream, `${told}, but what it wrote is ${rangeOf(block)}.`);
  }
}

/** A refusal says that nothing was done, and knows all that was acknowledged before. */
function checkRefused(
  operation: CommandOperation,
  { code, currentVersion }: Refused,
  block: Block | undefined,
  sightings: Sightings,
  report: Report,
): void {
  if (block) {
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
  const known = sightings.knownBefore(stream, operation.invokedAt);
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

function blockOfKey(
  { idempotency }: CommandOperation,
  attempts: ReadonlyMap<string, readonly CommandOperation[]>,
  blocks: Blocks,
): Block | undefined {
  const group = idempotency === null ? [] : (attempts.get(keyOf(idempotency)) ?? []);
  return group.flatMap(({ id }) => blocks.get(id) ?? [])[0];
}

/** Refusals because of the stream's own state: the same command upon the same state gets the same answer. */
const REFUSED_BY_STATE = new Set(['wrong-state', 'version-mismatch', 'sku-taken', 'not-found', 'nothing-to-return']);

/** I3, I4: all attempts under one key together are applied at most once, and everybody is told that outcome. */
function checkKey(group: readonly CommandOperation[], blocks: Blocks, sightings: Sightings, report: Report): void {
  const key = `the key ${group[0]?.idempotency?.key}`;
  const [block, ...more] = group
    .flatMap(({ id }) => blocks.get(id) ?? [])
    .toSorted((one, other) => one.first - other.first);
  for (const another of more) {
    const why = `${capital(key)} was applied twice: by ${who((block as Block).attempt)} as ${rangeOf(block as Block)}, and by ${who(another.attempt)} as ${rangeOf(another)}.`;
    report('one-outcome', [another.attempt, (block as Block).attempt], another.stream, why);
  }
  const acknowledged = group.find(({ outcome }) => outcome.kind === 'acknowledged');
  const applied = block?.attempt ?? acknowledged;
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
    const sighting = sightings.reached(block.stream, version);
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
