import type { Clock } from '../clock.ts';
import type { Group } from '../group.ts';
import { type HintMessage, packHints } from '../message.ts';
import type { StoredEvent } from '../event.ts';
import type { StreamId } from '../stream.ts';
import { sleep, withTimeout } from '../timeout.ts';
import type { AggregateStorage } from './aggregate-storage.ts';
import type { DeliveryAttempts } from './event-log.ts';
import { type Alarm, keptAlarm } from './kept-alarm.ts';

/** How far a projection has brought a stream: the version, and the id of the event there (null at 0). */
export interface Reached {
  readonly version: number;
  readonly eventId: string | null;
}

/** What the relay stands on. Tests replace these, never the relay. */
export interface RelayPorts {
  readonly storage: Pick<AggregateStorage, 'head' | 'read'> & DeliveryAttempts;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /**
   * The groups that follow a stream, undefined when this code does not know its category. Only the first is sent what is new: its
   * consumer tells the others, many streams in one message. The delivery check sees to each of them.
   */
  readonly groupsOf: (stream: StreamId) => readonly Group[] | undefined;
  readonly send: (group: Group, message: HintMessage) => Promise<void>;
  /**
   * Asks a group's database how far its projections (or only those named) have brought the stream. Those that a dead letter holds are
   * left out: no message would bring them further.
   */
  readonly versionsReached: (
    group: Group,
    stream: StreamId,
    projections: readonly string[] | undefined,
  ) => Promise<ReadonlyMap<string, Reached>>;
  /** Keeps the object alive until the promise settles, without holding up any answer. */
  readonly inBackground: (work: Promise<void>) => void;
  readonly report: (event: string, details: Record<string, string | number>) => void;
}

export interface RelayOptions {
  /** A send or a delivery check that takes longer is given up, in ms: a queue has been seen to hang for a minute and then throw. */
  readonly timeoutMs?: number;
  /**
   * Messages about one stream leave no closer together than this, in ms: a burst of commands becomes few messages. Default: the batch wait of
   * the group they go to, in which they would have ended in one batch anyway.
   */
  readonly coalesceMs?: number | undefined;
  /** The wait before the second delivery check of a lagging group, in ms; it doubles from there. */
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** How many events are read at a time for publication. */
  readonly pageSize?: number;
}

/** Gets a stream's events to every group that follows it: at once when all is well, and in the end whatever happens (I7, I18). */
export interface Relay {
  /** Has to have run before the first `expect` of this lifetime: finds out whether an alarm is set. */
  readonly prepare: () => Promise<void>;
  /**
   * Called last inside a commit's transaction: plans the delivery check of the new events and arms the alarm no later (I6). Throws where the
   * alarm is refused at once: then nothing is planned, and the commit is rolled back.
   */
  readonly expect: (stream: StreamId, fromVersion: number, toVersion: number) => void;
  /** Sends what is unpublished, coalesced, in the background. */
  readonly publish: () => void;
  /**
   * Sets the alarm again where it is overdue or was refused, also in an earlier lifetime. In the background, so after what its caller does in
   * this turn. For every call: without it a stream would stay unpublished after its alarm was lost, if it gets no command that commits (I7).
   */
  readonly rescueAlarm: () => void;
  /**
   * The alarm handler. Runs no domain code: a bad deploy must not eat the alarm's few retries. Throws only where the platform refuses the next
   * alarm: then the retry is all that is left.
   */
  readonly onAlarm: () => Promise<void>;
}

interface Check {
  /** The head when the check was planned: on a busy stream the present head is ahead of every projection at all times. */
  readonly version: number;
  readonly dueAt: number;
  /** The projections not yet confirmed; undefined: all of them. */
  readonly unconfirmed?: readonly string[];
}

interface Delivery {
  readonly group: Group;
  check: Check | undefined;
  /** How many checks in a row have found the group lagging, or sends to it have failed. */
  attempt: number;
}

/** While the code does not know the stream's category (a bad deploy), the alarm asks again this often. */
const UNKNOWN_CATEGORY_RETRY_MS = 60 * 60 * 1000;

export function createRelay(ports: RelayPorts, options: RelayOptions = {}): Relay {
  const { storage, clock, alarm, groupsOf, send, versionsReached, inBackground, report } = ports;
  const {
    timeoutMs = 10_000,
    coalesceMs,
    firstBackoffMs = 30_000,
    maxBackoffMs = 24 * 60 * 60 * 1000,
    pageSize = 500,
  } = options;

  const reportRefusal = (error: string) => report('relay.alarm-refused', { error });
  const kept = keptAlarm(alarm, clock, (error) => {
    reportRefusal(error);
    rememberUnchecked();
  });
  const { set: setAlarm, armNoLaterThan } = kept;

  let stream: StreamId | undefined;
  let version = 0;
  let deliveries: Delivery[] | undefined;
  /** No check was planned in this lifetime yet, so any group may lag. */
  let isCold = true;
  /** Everything up to here was sent, as far as this lifetime knows; undefined when it knows nothing. */
  let published: number | undefined;
  /** When the last message left, in ms since the epoch. */
  let sentAt = 0;
  /** Until when a send that is under way is waited for, in ms since the epoch. A bound, since what it awaits may never come back. */
  let sendingUntil = 0;
  /** How long after a commit delivery is checked, in ms, from when the groups are known. */
  let settlingMs = 0;

  function deliveriesOf(itsStream: StreamId): Delivery[] | undefined {
    stream = itsStream;
    if (!deliveries) {
      const attempts = storage.attempts();
      deliveries = groupsOf(itsStream)?.map((group) => ({
        group,
        check: undefined,
        attempt: attempts.get(group.name) ?? 0,
      }));
      // Nobody would ever confirm a group that follows no more.
      for (const name of attempts.keys()) {
        if (deliveries?.every(({ group }) => group.name !== name)) storage.setAttempt(name, 0);
      }
      const slowestMs = Math.max(...(deliveries ?? []).map(({ group }) => group.batchWaitMs));
      settlingMs = Math.ceil(slowestMs * (2 + clock.random()));
    }
    return deliveries;
  }

  /** Has a later lifetime, which finds no alarm, know that somebody may lag. */
  function rememberUnchecked(): void {
    try {
      for (const delivery of deliveries ?? []) if (delivery.check) setAttempt(delivery, Math.max(delivery.attempt, 1));
    } catch (error) {
      reportRefusal(String(error));
    }
  }

  async function rescueAlarm(): Promise<void> {
    try {
      await kept.learn();
      const next = nextDue();
      if (next !== undefined) armNoLaterThan(next);
      else if (kept.isOverdue() || (!kept.isSet() && storage.attempts().size > 0)) setAlarm(clock.now());
    } catch (error) {
      reportRefusal(String(error));
    }
  }

  function nextDue(): number | undefined {
    const due = (deliveries ?? []).flatMap(({ check }) => (check ? [check.dueAt] : []));
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /**
   * When what is sent now should have got everywhere: after two to three times the batch wait of the slowest group. One time for all groups,
   * so that a quiet command costs one alarm run and not one for each (docs/decisions/0008). Drawn once a lifetime: objects that were busy at
   * the same moment do not all ask the databases at the same moment, and no check of an object comes before one that it has planned already.
   */
  function settledAt(): number {
    return clock.now() + settlingMs;
  }

  /**
   * Doubling, with the jitter that keeps a herd of streams from asking a recovered database all at once. Whole milliseconds, since alarms
   * know no others: one that goes off a fraction before its check is due would do nothing and be set again.
   */
  function backoffMs(attempt: number): number {
    return Math.ceil(Math.min(firstBackoffMs * 2 ** (attempt - 1), maxBackoffMs) * (0.5 + clock.random() / 2));
  }

  function setAttempt(delivery: Delivery, attempt: number): void {
    if (attempt === delivery.attempt) return;
    storage.setAttempt(delivery.group.name, attempt);
    delivery.attempt = attempt;
  }

  function bringForward(delivery: Delivery, dueAt: number): void {
    if (!delivery.check || delivery.check.dueAt <= dueAt) return;
    delivery.check = { ...delivery.check, dueAt };
    armNoLaterThan(dueAt);
  }

  /** Sends everything unpublished, also what is committed meanwhile. One at a time, which is what coalesces a burst. */
  async function publishNow(): Promise<void> {
    const delivery = deliveries?.[0];
    if (!delivery || clock.now() < sendingUntil || published === undefined) return;
    const entry = delivery.group;
    const pauseMs = coalesceMs ?? entry.batchWaitMs;
    sendingUntil = clock.now() + pauseMs + 2 * timeoutMs;
    try {
      while (published < version) {
        const tooSoonMs = sentAt + pauseMs - clock.now();
        if (tooSoonMs > 0) await sleep(Math.min(tooSoonMs, pauseMs));
        const events = storage.read(published + 1, pageSize);
        if (events.length === 0) return;
        const previous: StoredEvent | undefined = published > 0 ? storage.read(published, 1)[0] : undefined;
        for (const hint of packHints(events, previous?.id ?? null)) {
          await withTimeout(send(entry, { sender: 'relay', hints: [hint] }), timeoutMs);
          published = Math.max(published, hint.toVersion);
          sentAt = clock.now();
          sendingUntil = sentAt + pauseMs + 2 * timeoutMs;
        }
      }
    } catch (error) {
      // A send that threw may have been accepted all the same. Sending again is harmless, and the alarm does, sooner than it would have come.
      report('relay.send-failed', { group: entry.name, error: String(error) });
      bringForward(delivery, clock.now() + 2 * entry.batchWaitMs);
    } finally {
      sendingUntil = 0;
    }
  }

  /** The second try and all after it send a hint without payload: its consumer reads the log. */
  async function remind(delivery: Delivery, reached: number, isRecheck: boolean): Promise<void> {
    const fromVersion = Math.min(reached + 1, version);
    const hint = { stream: stream as StreamId, fromVersion, toVersion: version, ...(isRecheck && { isRecheck }) };
    report('relay.reminded', { group: delivery.group.name, stream: hint.stream, reached, version });
    await withTimeout(send(delivery.group, { sender: 'reminder', hints: [hint] }), timeoutMs);
  }

  /** Whether a projection has another event at its version than this log, or one beyond its end: the log was restored to an earlier time. */
  function isOfAnotherLog({ version: at, eventId }: Reached): boolean {
    return at > 0 && storage.read(at, 1)[0]?.id !== eventId;
  }

  async function checkDelivery(delivery: Delivery, check: Check): Promise<void> {
    if (published !== undefined && published < version) {
      await publishNow();
      if (published === version) delivery.check = { version, dueAt: settledAt() };
      else setAttempt(delivery, delivery.attempt + 1);
      return;
    }
    const reached = await withTimeout(
      versionsReached(delivery.group, stream as StreamId, check.unconfirmed),
      timeoutMs,
    );
    const contradicting = new Set([...reached.values()].filter(isOfAnotherLog));
    const lagging = [...reached].filter(([, at]) => at.version < check.version || contradicting.has(at));
    if (lagging.length === 0) {
      setAttempt(delivery, 0);
      const isAllThere = [...reached.values()].every((at) => at.version >= version) && check.unconfirmed === undefined;
      delivery.check = version > check.version && !isAllThere ? { version, dueAt: settledAt() } : undefined;
      return;
    }
    setAttempt(delivery, delivery.attempt + 1);
    // The due time stays as re-armed, or as a command has brought it forward since.
    const dueAt = delivery.check?.dueAt ?? settledAt();
    const unconfirmed = lagging.map(([projection]) => projection);
    // The others are confirmed up to the version that was checked, and no further.
    delivery.check = { version, dueAt, ...(version === check.version && { unconfirmed }) };
    await remind(delivery, Math.min(...lagging.map(([, at]) => at.version)), contradicting.size > 0);
  }

  async function checkSafely(delivery: Delivery, check: Check): Promise<void> {
    const attempt = delivery.attempt + 1;
    try {
      await checkDelivery(delivery, check);
    } catch (error) {
      setAttempt(delivery, attempt);
      report('relay.check-failed', { group: delivery.group.name, error: String(error) });
    }
  }

  /** What a woken object assumes: any group may lag. */
  function recall(): Delivery[] | undefined {
    const head = storage.head();
    if (!head) return [];
    const known = deliveriesOf(head.stream);
    ({ version } = head);
    if (!known) return undefined;
    if (isCold) for (const delivery of known) delivery.check = { version, dueAt: clock.now() };
    isCold = false;
    return known;
  }

  /** The synchronous part of the handler: what has to hold even if nothing after it runs. Returns the checks that are due. */
  function rearm(): readonly (() => Promise<void>)[] {
    kept.goesOff();
    const known = recall();
    if (!known) {
      setAlarm(clock.now() + UNKNOWN_CATEGORY_RETRY_MS);
      return [];
    }
    const now = clock.now();
    const later = Math.min(...known.flatMap(({ check }) => (check && check.dueAt > now ? [check.dueAt] : [])));
    const due = known.flatMap((delivery) => {
      const { check } = delivery;
      if (!check || check.dueAt > now) return [];
      const pauseMs = backoffMs(delivery.attempt + 1);
      // If another group's check is due about then, one alarm run sees to both.
      const isAboutThen = later - now >= pauseMs / 2 && later - now <= pauseMs + firstBackoffMs;
      delivery.check = { ...check, dueAt: isAboutThen ? later : now + pauseMs };
      return [() => checkSafely(delivery, check)];
    });
    const next = nextDue();
    if (next !== undefined) setAlarm(next);
    return due;
  }

  return {
    prepare: kept.learn,

    expect(itsStream, fromVersion, toVersion): void {
      const following = deliveriesOf(itsStream) ?? [];
      const settled = settledAt();
      const checks = following.map(({ check = { version: toVersion, dueAt: settled } }) => ({
        ...check,
        dueAt: Math.min(check.dueAt, settled),
      }));
      if (checks.length > 0) armNoLaterThan(Math.min(...checks.map(({ dueAt }) => dueAt)));
      // Memory follows the alarm: where it is refused by an exception, there will be no such version.
      published ??= fromVersion - 1;
      version = toVersion;
      for (const [index, delivery] of following.entries()) delivery.check = checks[index];
      isCold = false;
    },

    publish(): void {
      inBackground(publishNow().catch((error) => reportRefusal(String(error))));
    },

    rescueAlarm(): void {
      inBackground(rescueAlarm());
    },

    async onAlarm(): Promise<void> {
      try {
        const due = rearm();
        await Promise.all(due.map((check) => check()));
        const next = nextDue();
        if (next !== undefined) armNoLaterThan(next);
        else if (!isCold && kept.isSet()) {
          // No check is planned, so no command has committed since: nothing needs this alarm.
          kept.clear();
        }
      } catch (error) {
        report('relay.alarm-failed', { error: String(error) });
        armNoLaterThan(clock.now() + firstBackoffMs);
      }
      const refusal = await kept.refusal();
      const needsAlarm = isCold || nextDue() !== undefined;
      if (refusal !== undefined && needsAlarm) throw new Error(`the next alarm was refused: ${refusal}`);
    },
  };
}
