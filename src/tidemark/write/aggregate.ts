import type { Clock } from '../platform/clock.ts';
import type { DomainEvent, EventMetadata, IdempotencyMark, RecordedEvent, StoredEvent } from '../domain/event.ts';
import { CodeTooOldError } from '../platform/faults.ts';
import type { JsonObject } from '../domain/json.ts';
import { isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateStorage, Head, Snapshot } from './aggregate-storage.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import { type Command, type Decision, type Rejection, isDecision, isRejection } from '../domain/decider.ts';
import { currentSchemaVersion, upcast } from '../domain/upcaster.ts';

/** A command on its way to its aggregate. Plain data, since it travels over RPC. */
export interface ExecuteRequest {
  readonly stream: StreamId;
  readonly command: Command;
  /** Append only if the stream is at this version (0: does not exist yet). */
  readonly expectedVersion?: number;
  /** The version of the stream that the sender has seen: a log that ends before it was restored to an earlier time. */
  readonly seenVersion?: number;
  /** The fingerprint of the event at `seenVersion`, if known: a log that has another event there was restored, and has grown again. */
  readonly seenFingerprint?: number;
  readonly idempotency?: IdempotencyMark;
  readonly metadata: Omit<EventMetadata, 'idempotency'>;
  /** Whether the answer shall carry the state after the command. */
  readonly returnState?: boolean;
}

/** Asks what a key has done, without the command. Plain data, since it travels over RPC. */
export type ReplayRequest = Omit<ExecuteRequest, 'command' | 'metadata' | 'expectedVersion'>;

/** What became of a command. Refusals are values: custom errors do not survive RPC. */
export type ExecuteResult =
  | {
      readonly outcome: 'applied';
      /** The stream's version right after the command. */
      readonly version: number;
      /** The id of the event at `version`. */
      readonly eventId?: string;
      /** The idempotency key had been applied before; this is that outcome. */
      readonly replayed: boolean;
      /** Only with `returnState`, and where a replay does not have to go far back: the state right after the command. */
      readonly state?: AggregateState;
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
  /** The sender has seen more than this log holds, or another event at that version. */
  | { readonly outcome: 'token-ahead'; readonly seenVersion: number; readonly head: number };

/*
 * Event ids are absent where the stream does not exist, and in answers of objects that run the code from before fingerprints.
 */

/**
 * What an object answers whose code does not know the category, the command or an event in its own log: it is older than the Worker's while a
 * deployment is under way, and than the log after a rollback. It has done nothing.
 */
export interface CodeTooOld {
  readonly outcome: 'code-too-old';
  /** Absent in answers of objects that run the code of a former Worker. */
  readonly reason?: string;
}

/** What an object answers to a command. */
export type ExecuteAnswer = ExecuteResult | CodeTooOld;

/** A folded state and the version it stands at. */
export interface AggregateState {
  readonly version: number;
  /** The id of the event at `version`. */
  readonly eventId?: string;
  readonly state: JsonObject;
}

/** Some of a stream's events, in order. */
export interface LogPage {
  readonly events: readonly StoredEvent[];
  /** The id of the event before the first of the page; null at the start. It ties the page to what the reader has seen. */
  readonly previousId: string | null;
  /** The stream's current version; 0 when it does not exist. */
  readonly head: number;
  /** The id of the event at `head`. */
  readonly headId?: string;
}

/** A moment in a stream's past: a version, or a time (RFC 3339 UTC). */
export type AsOf = { readonly version: number } | { readonly time: string };

/** How an aggregate keeps its house. */
export interface AggregateOptions {
  /** A snapshot is stored once this many events came after the last one. */
  readonly snapshotEvery?: number;
  /** A larger state (UTF-16 code units of its JSON) is not stored as a snapshot: folding is safer than a row near the platform's limit. */
  readonly snapshotMaxLength?: number;
  /** How long an idempotency key that did not create its aggregate is remembered, in ms. */
  readonly idempotencyRetentionMs?: number;
}

/** What the aggregate is made on. */
export interface AggregatePorts {
  readonly storage: AggregateStorage;
  readonly clock: Clock;
  readonly typeOf: (stream: StreamId) => AnyAggregateType;
  /** Called last inside the transaction of every commit, with the versions that it adds. */
  readonly armAlarm: (stream: StreamId, fromVersion: number, toVersion: number) => void;
}

/** One aggregate: its log, folded. Every operation runs to its end without an `await`. */
export interface Aggregate {
  execute(request: ExecuteRequest): ExecuteAnswer;
  /** What `execute` would answer without a look at the command; undefined: it would carry the command out. */
  replay(request: ReplayRequest): ExecuteResult | undefined;
  load(fromVersion: number, limit: number): LogPage;
  currentVersion(): number;
  /** The state now, or as it was; undefined when there was nothing (yet). */
  state(stream: StreamId, asOf?: AsOf): AggregateState | CodeTooOld | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const READ_ALL = 1_000;
/** A command that is replayed is answered without its state where that takes more events: anybody may replay the same one all day. */
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

  /** The state at the head: kept in memory, else from a snapshot of this code's shape and this very log, and the tail after it. */
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

  /** The state at a version; undefined where that takes too many events. */
  function refolded(type: AnyAggregateType, version: number): JsonObject | undefined {
    if (folded?.version === version) return folded.state as JsonObject;
    const snapshot = storage.snapshot();
    const isBefore = snapshot !== undefined && snapshot.version <= version && isUsable(snapshot, type);
    const start: Folded = isBefore ? snapshot : initial(type);
    return version - start.version > MAX_REFOLDED ? undefined : (fold(type, start, version).state as JsonObject);
  }

  /** The id of the event at a version; undefined where there is none. */
  function eventIdAt(version: number): string | undefined {
    const current = currentHead();
    if (version === current?.version) return current.eventId;
    return version > 0 ? storage.read(version, 1)[0]?.id : undefined;
  }

  /** Whether the sender has seen what this log does not hold: it was restored to an earlier time. */
  function hasSeenAnother({ seenVersion = 0, seenFingerprint }: ReplayRequest, version: number): boolean {
    if (seenVersion > version) return true;
    if (seenFingerprint === undefined) return false;
    return isAnother({ version: seenVersion, fingerprint: seenFingerprint }, eventIdAt(seenVersion));
  }

  /** What this key did before. A create's key is in the first event itself, so that it lives as long as what was created. */
  function appliedBefore(idempotency: IdempotencyMark): { fingerprint: string; version: number } | undefined {
    if (!currentHead()) return undefined;
    const remembered = storage.remembered(idempotency.key, clock.now());
    if (remembered) return remembered;
    const first = storage.read(1, 1)[0];
    if (first?.metadata.idempotency?.key !== idempotency.key) return undefined;
    const { fingerprint } = first.metadata.idempotency;
    return { fingerprint, version: createdVersion(first) };
  }

  /** The version at which the command that created the stream ended: its events share one command id. */
  function createdVersion(first: StoredEvent): number {
    let { version } = first;
    // One by one, since a page of the log may end before they do.
    while (storage.read(version + 1, 1)[0]?.metadata.commandId === first.metadata.commandId) version += 1;
    return version;
  }

  function record(request: ExecuteRequest, type: AnyAggregateType, decided: readonly DomainEvent[]): StoredEvent[] {
    const version = currentHead()?.version ?? 0;
    const earliest = currentHead()?.recordedAt ?? '';
    const now = new Date(clock.now()).toISOString();
    const recordedAt = now > earliest ? now : earliest;
    return decided.map((event, index) => {
      const isFirst = version + index === 0;
      return {
        id: clock.newId(),
        stream: request.stream,
        version: version + index + 1,
        type: event.type,
        schemaVersion: currentSchemaVersion(type.events, event.type),
        // Through JSON, so that what is folded now equals what will be read back later.
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
    // Memory follows storage, never the other way round: a commit that threw has changed nothing here.
    head = { stream: request.stream, version: last.version, eventId: last.id, recordedAt: last.recordedAt };
    folded = { version: last.version, state, eventId: last.id };
    if (snapshot) snapshotVersion = snapshot.version;
    return applied(last.version, last.id, false, request.returnState ? (state as JsonObject) : undefined);
  }

  /**
   * The command has its outcome all the same, so its key is remembered (I3): by the time that it is sent again, it might decide something.
   * A stream that does not exist remembers nothing, since that would create its storage.
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

  /** What is settled before the command is looked at: by what its sender has seen, and by what its key has done. */
  function replay(request: ReplayRequest): ExecuteResult | undefined {
    const version = currentHead()?.version ?? 0;
    if (hasSeenAnother(request, version))
      return { outcome: 'token-ahead', seenVersion: request.seenVersion ?? 0, head: version };
    const before = request.idempotency && appliedBefore(request.idempotency);
    if (!before) return undefined;
    if (before.fingerprint !== request.idempotency?.fingerprint) return { outcome: 'key-reused' };
    const past = request.returnState ? unlessTooOld(() => refolded(typeOf(request.stream), before.version)) : undefined;
    // The key has its outcome (I3), also where this code cannot fold the state any more: the state was a wish.
    const state = past && !isTooOld(past) ? past : undefined;
    return applied(before.version, eventIdAt(before.version), true, state);
  }

  return {
    execute(request): ExecuteAnswer {
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
      // On a stream that does not exist the domain's own refusal says more than a version mismatch would.
      if (isMismatch && version > 0) return { outcome: 'version-mismatch', currentVersion: version, ...at };
      const decision: Decision<DomainEvent> = type.decider.decide(request.command, state);
      if (!isDecision(decision)) return tooOld(`it does not know the command ${request.command.type}`);
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

/** A state, and the last event in it. */
interface Folded {
  readonly version: number;
  readonly state: object;
  /** Undefined at version 0. */
  readonly eventId: string | undefined;
}

function tooOld(reason: string): CodeTooOld {
  return { outcome: 'code-too-old', reason };
}

function isTooOld(answer: object): answer is CodeTooOld {
  return 'outcome' in answer && answer.outcome === 'code-too-old';
}

/** What `look` gives, or that this code is too old for it. For what reads alone: an event that this code decides and cannot write is a bug. */
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
): ExecuteResult {
  const at = { version, ...(eventId !== undefined && { eventId }) };
  return { outcome: 'applied', ...at, replayed, ...(state && { state: { ...at, state } }) };
}
