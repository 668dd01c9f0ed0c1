import { type Clock, timestamp } from '../platform/clock.ts';
import type { DomainEvent, EventMetadata, IdempotencyMark, RecordedEvent, StoredEvent } from '../domain/event.ts';
import { CodeTooOldError } from '../platform/faults.ts';
import type { JsonObject } from '../domain/json.ts';
import { type Principal, parseActor } from '../domain/principal.ts';
import { isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateStorage, Head, Snapshot } from './aggregate-storage.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import { type Command, type Decision, type Rejection, isDecision, isRejection } from '../domain/decider.ts';
import { currentSchemaVersion, upcast } from '../domain/upcaster.ts';

/** A command, as it is sent to its aggregate. Plain data, since it travels over RPC. */
export interface ExecuteRequest {
  readonly stream: StreamId;
  readonly command: Command;
  /** Append only if the stream is at this version. 0: the stream must not exist yet. */
  readonly expectedVersion?: number;
  /** The version of the stream that the sender has seen. A log that ends before it was restored to an earlier time. */
  readonly seenVersion?: number;
  /** The fingerprint of the event at `seenVersion`, if known. A log with another event there was restored and has grown again. */
  readonly seenFingerprint?: number;
  readonly idempotency?: IdempotencyMark;
  /** The sender is limited to this customer. Send such a request by `executeOwned`: an older object does not look at it. */
  readonly customerId?: string;
  readonly metadata: Omit<EventMetadata, 'idempotency'>;
  /** Whether the answer must contain the state after the command. */
  readonly returnState?: boolean;
  /** Whether the answer must contain the events that the command appends. */
  readonly returnEvents?: boolean;
}

/** Asks for the outcome of a key, without the command. Plain data, since it travels over RPC. */
export type ReplayRequest = Omit<ExecuteRequest, 'command' | 'metadata' | 'expectedVersion' | 'returnEvents'>;

/** The outcome of a command. Refusals are values, because custom errors do not survive RPC. */
export type ExecuteResult =
  | {
      readonly outcome: 'applied';
      /** The stream's version right after the command. */
      readonly version: number;
      /** The id of the event at `version`. */
      readonly eventId?: string;
      /** Whether this is the outcome of an earlier command with the same idempotency key. */
      readonly replayed: boolean;
      /** The state right after the command. Only with `returnState`, and for a replay only if few events have to be folded. */
      readonly state?: AggregateState;
      /** The appended events. Only with `returnEvents`, and not for a replay. An object with the code of a former Worker never returns them. */
      readonly appended?: Omit<LogPage, 'head' | 'headId'>;
    }
  | {
      readonly outcome: 'rejected';
      readonly rejection: Rejection;
      /** 0 when the stream does not exist. */
      readonly version: number;
      readonly eventId?: string;
    }
  | { readonly outcome: 'version-mismatch'; readonly currentVersion: number; readonly eventId?: string }
  | { readonly outcome: 'key-reused' }
  /** The sender has seen a later version than this log holds, or another event at that version. */
  | { readonly outcome: 'token-ahead'; readonly seenVersion: number; readonly head: number };

/* Event ids are absent if the stream does not exist. They are also absent in answers of objects with code from before fingerprints. */

/**
 * The answer of an object whose code does not know the category, the command or an event in its own log. During a deployment the object can have
 * older code than the Worker. After a rollback its code can be older than its log. The object has changed nothing.
 */
export interface CodeTooOld {
  readonly outcome: 'code-too-old';
  /** Absent in answers of objects with the code of a former Worker. */
  readonly reason?: string;
}

/** The answer of an object to a command. */
export type ExecuteAnswer = ExecuteResult | CodeTooOld;

/** A folded state and its version. */
export interface AggregateState {
  readonly version: number;
  /** The id of the event at `version`. */
  readonly eventId?: string;
  readonly state: JsonObject;
}

/** Consecutive events of a stream, in order. */
export interface LogPage {
  readonly events: readonly StoredEvent[];
  /** The id of the event before the page's first; null at the start. It ties the page to the events that the reader has seen. */
  readonly previousId: string | null;
  /** The stream's current version; 0 when it does not exist. */
  readonly head: number;
  /** The id of the event at `head`. */
  readonly headId?: string;
}

/** A moment in a stream's past: a version, or a time (RFC 3339 UTC). */
export type AsOf = { readonly version: number } | { readonly time: string };

/** Settings of an aggregate. */
export interface AggregateOptions {
  /** The aggregate stores a snapshot once this many events have followed the last one. */
  readonly snapshotEvery?: number;
  /** The longest state that is stored as a snapshot, in UTF-16 code units of its JSON. Folding is safer than a row near the platform's limit. */
  readonly snapshotMaxLength?: number;
  /** How long the aggregate remembers an idempotency key that did not create it, in ms. */
  readonly idempotencyRetentionMs?: number;
}

/** The dependencies of an aggregate. */
export interface AggregatePorts {
  readonly storage: AggregateStorage;
  readonly clock: Clock;
  readonly typeOf: (stream: StreamId) => AnyAggregateType;
  /** Called last inside the transaction of every commit, with the versions that the commit adds. */
  readonly armAlarm: (stream: StreamId, fromVersion: number, toVersion: number) => void;
}

/** One aggregate. Every operation runs to its end without an `await`. */
export interface Aggregate {
  execute(request: ExecuteRequest): ExecuteAnswer;
  /** The answer that `execute` gives without a look at the command. Undefined: `execute` would run the command. */
  replay(request: ReplayRequest): ExecuteResult | undefined;
  load(fromVersion: number, limit: number): LogPage;
  currentVersion(): number;
  /** The state now, or at a moment in the past. Undefined if the stream had no events by then. */
  state(stream: StreamId, asOf?: AsOf): AggregateState | CodeTooOld | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const READ_ALL = 1_000;
/** The most events that a replay folds to return a state. Any client can replay a command all day, so each replay has to stay cheap. */
const MAX_REFOLDED = 1_000;

export function createAggregate(ports: AggregatePorts, options: AggregateOptions = {}): Aggregate {
  const { storage, clock, typeOf, armAlarm } = ports;
  const { snapshotEvery = 100, snapshotMaxLength = 512 * 1024, idempotencyRetentionMs = 7 * DAY_MS } = options;

  let head: Head | undefined | 'unread' = 'unread';
  let folded: Folded | undefined;
  let snapshotVersion = 0;

  function currentHead(): Head | undefined {
    if (head === 'unread') head = storage.head();
    return head;
  }

  function fold(type: AnyAggregateType, from: Folded, upTo: number | ((event: StoredEvent) => boolean)): Folded {
    const isWanted = typeof upTo === 'number' ? (event: StoredEvent) => event.version <= upTo : upTo;
    let { version, state, eventId } = from;
    for (;;) {
      const page = storage.read(version + 1, READ_ALL);
      for (const stored of page) {
        if (!isWanted(stored)) return { version, state, eventId };
        state = type.decider.evolve(state, upcast(type.events, stored));
        ({ version, id: eventId } = stored);
      }
      if (page.length === 0) return { version, state, eventId };
    }
  }

  /** The state at the head. It comes from memory, or from a usable snapshot and the events after it, or from the whole log. */
  function currentState(type: AnyAggregateType): Folded {
    if (folded) return folded;
    const snapshot = storage.snapshot();
    const usable = snapshot !== undefined && isUsable(snapshot, type);
    if (usable) snapshotVersion = snapshot.version;
    const start: Folded = usable ? snapshot : initial(type);
    folded = fold(type, start, Number.POSITIVE_INFINITY);
    return folded;
  }

  function isUsable(snapshot: Snapshot, type: AnyAggregateType): boolean {
    return snapshot.stateVersion === type.stateVersion && storage.read(snapshot.version, 1)[0]?.id === snapshot.eventId;
  }

  function stateAt(type: AnyAggregateType, asOf: AsOf): AggregateState | undefined {
    const upTo = 'version' in asOf ? asOf.version : (event: StoredEvent) => event.recordedAt <= asOf.time;
    const past = fold(type, initial(type), upTo);
    return past.version === 0 ? undefined : toState(past);
  }

  /** The state at a version. Undefined if that takes too many events. */
  function refolded(type: AnyAggregateType, version: number): JsonObject | undefined {
    if (folded?.version === version) return folded.state as JsonObject;
    const snapshot = storage.snapshot();
    const isBefore = snapshot !== undefined && snapshot.version <= version && isUsable(snapshot, type);
    const start: Folded = isBefore ? snapshot : initial(type);
    return version - start.version > MAX_REFOLDED ? undefined : (fold(type, start, version).state as JsonObject);
  }

  /** The id of the event at a version. Undefined if the log has no such event. */
  function eventIdAt(version: number): string | undefined {
    const current = currentHead();
    if (version === current?.version) return current.eventId;
    return version > 0 ? storage.read(version, 1)[0]?.id : undefined;
  }

  /** Whether the sender has seen an event that this log does not hold. The log was then restored to an earlier time. */
  function hasSeenAnother({ seenVersion = 0, seenFingerprint }: ReplayRequest, version: number): boolean {
    if (seenVersion > version) return true;
    if (seenFingerprint === undefined) return false;
    return isAnother({ version: seenVersion, fingerprint: seenFingerprint }, eventIdAt(seenVersion));
  }

  /** The earlier outcome of this key. The key of a create is in the first event itself, so it lives as long as the aggregate. */
  function appliedBefore(idempotency: IdempotencyMark): { fingerprint: string; version: number } | undefined {
    if (!currentHead()) return undefined;
    const remembered = storage.remembered(idempotency.key, clock.now());
    if (remembered) return remembered;
    const first = storage.read(1, 1)[0];
    if (first?.metadata.idempotency?.key !== idempotency.key) return undefined;
    const { fingerprint } = first.metadata.idempotency;
    return { fingerprint, version: createdVersion(first) };
  }

  /** The stream's version after the command that created it. The events of one command share its id. */
  function createdVersion(first: StoredEvent): number {
    let { version } = first;
    // One by one, since a page of the log may end before they do.
    while (storage.read(version + 1, 1)[0]?.metadata.commandId === first.metadata.commandId) version += 1;
    return version;
  }

  function record(request: ExecuteRequest, type: AnyAggregateType, decided: readonly DomainEvent[]): StoredEvent[] {
    const version = currentHead()?.version ?? 0;
    const earliest = currentHead()?.recordedAt ?? '';
    const now = timestamp(clock);
    const recordedAt = now > earliest ? now : earliest;
    return decided.map((event, index) => {
      const isFirst = version + index === 0;
      return {
        id: clock.newId(),
        stream: request.stream,
        version: version + index + 1,
        type: event.type,
        schemaVersion: currentSchemaVersion(type.events, event.type),
        // Through JSON, so that the state folded now equals the state that a later read folds.
        data: JSON.parse(JSON.stringify(event.data)) as JsonObject,
        metadata: { ...request.metadata, ...(isFirst && request.idempotency && { idempotency: request.idempotency }) },
        recordedAt,
      };
    });
  }

  function append(
    request: ExecuteRequest,
    type: AnyAggregateType,
    before: object,
    events: readonly StoredEvent[],
  ): ExecuteResult {
    const last = events.at(-1) as StoredEvent;
    const state = events.reduce(
      (current, stored) => type.decider.evolve(current, upcast(type.events, stored) as RecordedEvent) as object,
      before,
    );
    const now = clock.now();
    const previousId = currentHead()?.eventId ?? null;
    const snapshot = snapshotOf(type, last, state);
    storage.commit({
      stream: request.stream,
      events,
      ...(request.idempotency &&
        currentHead() && {
          remember: { ...request.idempotency, version: last.version, expiresAt: now + idempotencyRetentionMs },
        }),
      ...(snapshot && { snapshot }),
      now,
      armAlarm: () => armAlarm(request.stream, last.version - events.length + 1, last.version),
    });
    // Memory follows storage, never the other way round. A commit that throws changes nothing here.
    head = { stream: request.stream, version: last.version, eventId: last.id, recordedAt: last.recordedAt };
    folded = { version: last.version, state, eventId: last.id };
    if (snapshot) snapshotVersion = snapshot.version;
    return {
      ...applied(last.version, last.id, false, request.returnState ? (state as JsonObject) : undefined),
      ...(request.returnEvents && { appended: { events, previousId } }),
    };
  }

  /**
   * The command has an outcome, so its key is remembered (I3). If the client sends it again later, the command might decide something else. A stream
   * that does not exist remembers nothing, since that would create its storage.
   */
  function decidedNothing(request: ExecuteRequest, state: object): ExecuteResult {
    const { stream, idempotency, returnState } = request;
    const version = currentHead()?.version ?? 0;
    const now = clock.now();
    if (idempotency && version > 0) {
      const remember = { ...idempotency, version, expiresAt: now + idempotencyRetentionMs };
      storage.commit({ stream, events: [], remember, now, armAlarm: () => undefined });
    }
    return applied(version, currentHead()?.eventId, false, returnState ? (state as JsonObject) : undefined);
  }

  function snapshotOf(type: AnyAggregateType, last: StoredEvent, state: object): Snapshot | undefined {
    if (last.version - snapshotVersion < snapshotEvery) return undefined;
    if (JSON.stringify(state).length > snapshotMaxLength) return undefined;
    return { stateVersion: type.stateVersion, version: last.version, eventId: last.id, state: state as JsonObject };
  }

  function stateOf(stream: StreamId, asOf: AsOf | undefined): AggregateState | CodeTooOld | undefined {
    if (!currentHead()) return undefined;
    return unlessTooOld(() => {
      const type = typeOf(stream);
      return asOf ? stateAt(type, asOf) : toState(currentState(type));
    });
  }

  /** Whether the stream exists and does not belong to the sender's customer. The sender must not learn that it exists. */
  function isForeign({ stream, customerId }: ReplayRequest): boolean {
    if (customerId === undefined || !currentHead()) return false;
    const type = typeOf(stream);
    return type.owner?.(currentState(type).state) !== customerId;
  }

  /** The answer that a stream without events would give. */
  function executeAbsent(request: ExecuteRequest): ExecuteAnswer {
    const { category, decider } = typeOf(request.stream);
    const decision: Decision<DomainEvent> = decider.decide(request.command, decider.initialState, principalOf(request));
    if (!isDecision(decision)) return unknownCommand(request);
    if (isRejection<DomainEvent, Rejection>(decision)) return { outcome: 'rejected', rejection: decision, version: 0 };
    if ((request.expectedVersion ?? 0) > 0) return { outcome: 'version-mismatch', currentVersion: 0 };
    // The command would create what somebody else has created.
    const rejection = { code: 'not-found', message: `There is no such ${category}.` };
    return { outcome: 'rejected', rejection, version: 0 };
  }

  /** The outcome that is settled before the command is examined: by what its sender has seen, or by the earlier outcome of its key. */
  function replay(request: ReplayRequest): ExecuteResult | undefined {
    const foreign = unlessTooOld(() => isForeign(request));
    if (foreign !== false) return undefined;
    const version = currentHead()?.version ?? 0;
    if (hasSeenAnother(request, version))
      return { outcome: 'token-ahead', seenVersion: request.seenVersion ?? 0, head: version };
    const before = request.idempotency && appliedBefore(request.idempotency);
    if (!before) return undefined;
    if (before.fingerprint !== request.idempotency?.fingerprint) return { outcome: 'key-reused' };
    const past = request.returnState ? unlessTooOld(() => refolded(typeOf(request.stream), before.version)) : undefined;
    // The key has its outcome (I3), even if this code can no longer fold the state. The client gets the outcome without the state.
    const state = past && !isTooOld(past) ? past : undefined;
    return applied(before.version, eventIdAt(before.version), true, state);
  }

  return {
    execute(request): ExecuteAnswer {
      const foreign = unlessTooOld(() => isForeign(request));
      if (foreign !== false) return foreign === true ? executeAbsent(request) : foreign;
      const settled = replay(request);
      if (settled) return settled;
      const known = unlessTooOld(() => {
        const type = typeOf(request.stream);
        return { type, state: currentState(type).state };
      });
      if (isTooOld(known)) return known;
      const { type, state } = known;
      const version = currentHead()?.version ?? 0;
      const eventId = currentHead()?.eventId;
      const at = eventId === undefined ? {} : { eventId };
      const isMismatch = request.expectedVersion !== undefined && request.expectedVersion !== version;
      // If the stream does not exist, the domain's own refusal says more than a version mismatch.
      if (isMismatch && version > 0) return { outcome: 'version-mismatch', currentVersion: version, ...at };
      const decision: Decision<DomainEvent> = type.decider.decide(request.command, state, principalOf(request));
      if (!isDecision(decision)) return unknownCommand(request);
      if (isRejection<DomainEvent, Rejection>(decision))
        return { outcome: 'rejected', rejection: decision, version, ...at };
      if (isMismatch) return { outcome: 'version-mismatch', currentVersion: version, ...at };
      if (decision.length === 0) return decidedNothing(request, state);
      return append(request, type, state, record(request, type, decision));
    },

    replay,

    load(fromVersion, limit): LogPage {
      const current = currentHead();
      const previous = fromVersion > 1 ? storage.read(fromVersion - 1, 1)[0] : undefined;
      return {
        events: storage.read(fromVersion, limit),
        previousId: previous?.id ?? null,
        head: current?.version ?? 0,
        ...(current && { headId: current.eventId }),
      };
    },

    currentVersion: () => currentHead()?.version ?? 0,

    state: stateOf,
  };
}

/** A state, and the version and id of the last event in it. */
interface Folded {
  readonly version: number;
  readonly state: object;
  /** Undefined at version 0. */
  readonly eventId: string | undefined;
}

/** The sender of a command, as its decider gets it. */
function principalOf({ metadata, customerId }: ExecuteRequest): Principal {
  return { ...parseActor(metadata.actor), ...(customerId !== undefined && { customerId }) };
}

function unknownCommand({ command }: ExecuteRequest): CodeTooOld {
  return tooOld(`it does not know the command ${command.type}`);
}

function tooOld(reason: string): CodeTooOld {
  return { outcome: 'code-too-old', reason };
}

function isTooOld(answer: object): answer is CodeTooOld {
  return 'outcome' in answer && answer.outcome === 'code-too-old';
}

/**
 * Returns the result of `look`, or says that this code is too old. Use it only for reads: an event that this code decides but cannot write is a bug.
 */
function unlessTooOld<Value>(look: () => Value): Value | CodeTooOld {
  try {
    return look();
  } catch (error) {
    if (error instanceof CodeTooOldError) return tooOld(error.message);
    throw error;
  }
}

function initial(type: AnyAggregateType): Folded {
  return { version: 0, state: type.decider.initialState as object, eventId: undefined };
}

function toState({ version, state, eventId }: Folded): AggregateState {
  return { version, state: state as JsonObject, ...(eventId !== undefined && { eventId }) };
}

function applied(
  version: number,
  eventId: string | undefined,
  replayed: boolean,
  state: JsonObject | undefined,
): Extract<ExecuteResult, { outcome: 'applied' }> {
  const at = { version, ...(eventId !== undefined && { eventId }) };
  return { outcome: 'applied', ...at, replayed, ...(state && { state: { ...at, state } }) };
}
