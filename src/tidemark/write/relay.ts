import type { Clock } from '../platform/clock.ts';
import type { Group } from '../platform/group.ts';
import { type HintMessage, packHints } from './message.ts';
import type { StoredEvent } from '../domain/event.ts';
import type { StreamId } from '../domain/stream.ts';
import { sleep, withTimeout } from '../platform/timeout.ts';
import type { AggregateStorage } from './aggregate-storage.ts';
import type { DeliveryAttempts } from './event-log.ts';
import { type Alarm, keptAlarm } from './kept-alarm.ts';

/** How far a projection has brought a stream: the version, and the id of the event there (null at 0). */
export interface Reached {
  readonly version: number;
  readonly eventId: string | null;
}

/** What the relay works with. Tests replace these, never the relay. */
export interface RelayPorts {
  readonly storage: Pick<AggregateStorage, 'head' | 'read'> & DeliveryAttempts;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /**
   * The groups that follow a stream, undefined when this code does not know its category. Only the first is sent what is new: its
   * consumer tells the others, many streams in one message. The delivery check asks each of them.
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
  /** The wait before the second delivery check, where the first finds a lag, in ms; it doubles from there. */
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
   * Called last inside a commit's transaction: plans the delivery check of the new events and arms the alarm no later (I6). After this turn it
   * sends them, coalesced, in the background. Throws where the alarm is refused at once: then nothing is planned, and the commit is rolled back.
   */
  readonly expect: (stream: StreamId, fromVersion: number, toVersion: number) => void;
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

interface Unconfirmed {
  readonly group: Group;
  /** Its projections that are not confirmed; undefined: all of them. */
  readonly projections: readonly string[] | undefined;
}

/** One for all groups, so that a quiet command costs one alarm run and not one for each (docs/decisions/0008). */
interface Check {
  /** The head when the check was planned: on a busy stream the present head is ahead of every projection at all times. */
  readonly version: number;
  readonly dueAt: number;
  readonly unconfirmed: readonly Unconfirmed[];
}

/** What a lifetime of the object knows of its stream. */
interface Delivery {
  readonly stream: StreamId;
  readonly groups: readonly Group[];
  /** The head. */
  version: number;
  /** Everything up to here was sent, or was left to the delivery check by an earlier lifetime. */
  published: number;
  /** Undefined once all is confirmed. */
  check: Check | undefined;
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

  const reportRefusal = (error: unknown) => report('relay.alarm-refused', { error: String(error) });
  const kept = keptAlarm(alarm, clock, (error) => {
    reportRefusal(error);
    rememberUnchecked();
  });

  /** Undefined before the first commit or alarm of this lifetime: any group may lag. */
  let delivery: Delivery | undefined;
  /** When the last message left, in ms since the epoch. */
  let sentAt = 0;
  /** Until when a send that is under way is waited for, in ms since the epoch. A bound, since what it awaits may never come back. */
  let sendingUntil = 0;

  /** Tells a later lifetime, which finds no alarm, that a group may lag. */
  function rememberUnchecked(): void {
    try {
      if (delivery?.check && storage.attempt() === 0) storage.setAttempt(1);
    } catch (error) {
      reportRefusal(error);
    }
  }

  /**
   * When a check of what is new is due: as planned, if that is soon enough. Else after two to three times the batch wait of the slowest group,
   * when all of it should have arrived. Drawn, so that objects that were busy at the same moment do not all ask at the same moment.
   */
  function settledAt(groups: readonly Group[], planned = Number.POSITIVE_INFINITY): number {
    const slowestMs = Math.max(0, ...groups.map(({ batchWaitMs }) => batchWaitMs));
    const now = clock.now();
    return planned <= now + 3 * slowestMs ? planned : now + Math.ceil(slowestMs * (2 + clock.random()));
  }

  /**
   * Doubling, with the jitter that keeps a herd of streams from asking a recovered database all at once. Whole milliseconds, since alarms
   * know no others: one that goes off a fraction before its check is due would do nothing and be set again.
   */
  function backoffMs(): number {
    return Math.ceil(Math.min(firstBackoffMs * 2 ** storage.attempt(), maxBackoffMs) * (0.5 + clock.random() / 2));
  }

  function keepArmed({ check }: Delivery): void {
    if (check) kept.armNoLaterThan(check.dueAt);
    else kept.clear();
  }

  async function rescueAlarm(): Promise<void> {
    try {
      await kept.learn();
      if (delivery) keepArmed(delivery);
      else if (kept.isOverdue() || (!kept.isSet() && storage.attempt() > 0)) kept.armNoLaterThan(clock.now());
    } catch (error) {
      reportRefusal(error);
    }
  }

  async function publish(its: Delivery): Promise<void> {
    try {
      // After this turn, and so after its commit.
      await Promise.resolve();
      if ((await sendNew(its)) !== 'failed' || !its.check) return;
      // A send that threw may have been accepted all the same. Sending again is harmless, and the alarm does, sooner than it would have come.
      const dueAt = clock.now() + 2 * (its.groups[0]?.batchWaitMs ?? 0);
      its.check = { ...its.check, dueAt: Math.min(its.check.dueAt, dueAt) };
      keepArmed(its);
    } catch (error) {
      reportRefusal(error);
    }
  }

  /**
   * Sends everything that is new, also what is committed meanwhile. One at a time, which is what coalesces a burst. Undefined: there is nothing
   * new, or it is being sent already.
   */
  async function sendNew(its: Delivery): Promise<'sent' | 'failed' | undefined> {
    const [entry] = its.groups;
    if (!entry || its.published >= its.version || clock.now() < sendingUntil) return undefined;
    const pauseMs = coalesceMs ?? entry.batchWaitMs;
    sendingUntil = clock.now() + pauseMs + 2 * timeoutMs;
    try {
      while (its.published < its.version) {
        const tooSoonMs = sentAt + pauseMs - clock.now();
        if (tooSoonMs > 0) await sleep(Math.min(tooSoonMs, pauseMs));
        const events = storage.read(its.published + 1, pageSize);
        if (events.length === 0) return undefined;
        const previous: StoredEvent | undefined = its.published > 0 ? storage.read(its.published, 1)[0] : undefined;
        for (const hint of packHints(events, previous?.id ?? null)) {
          await withTimeout(send(entry, { sender: 'relay', hints: [hint] }), timeoutMs);
          its.published = Math.max(its.published, hint.toVersion);
          sentAt = clock.now();
          sendingUntil = sentAt + pauseMs + 2 * timeoutMs;
        }
      }
      return 'sent';
    } catch (error) {
      report('relay.send-failed', { group: entry.name, error: String(error) });
      return 'failed';
    } finally {
      sendingUntil = 0;
    }
  }

  /** The second try and all after it send a hint without payload: its consumer reads the log. */
  async function remind(its: Delivery, group: Group, reached: number, isRecheck: boolean): Promise<void> {
    const { stream, version } = its;
    const fromVersion = Math.min(reached + 1, version);
    const hint = { stream, fromVersion, toVersion: version, ...(isRecheck && { isRecheck }) };
    report('relay.reminded', { group: group.name, stream, reached, version });
    await withTimeout(send(group, { sender: 'reminder', hints: [hint] }), timeoutMs);
  }

  /** Whether a projection has another event at its version than this log, or one beyond its end: the log was restored to an earlier time. */
  function isOfAnotherLog({ version: at, eventId }: Reached): boolean {
    return at > 0 && storage.read(at, 1)[0]?.id !== eventId;
  }

  /**
   * Asks a group, and reminds it where it lags behind the check. Returns which of its projections are not at the head. Never rejects: a group
   * that fails does not stop the others from being confirmed.
   */
  async function checkGroup(its: Delivery, due: Check, { group, projections }: Unconfirmed): Promise<Unconfirmed> {
    const { stream, version } = its;
    let unconfirmed = projections;
    try {
      const reached = [...(await withTimeout(versionsReached(group, stream, projections), timeoutMs))];
      const contradicting = new Set(reached.flatMap(([, at]) => (isOfAnotherLog(at) ? [at] : [])));
      const behind = (head: number) => reached.filter(([, at]) => at.version < head || contradicting.has(at));
      unconfirmed = behind(version).map(([projection]) => projection);
      const lagging = behind(due.version).map(([, at]) => at.version);
      if (lagging.length > 0) await remind(its, group, Math.min(...lagging), contradicting.size > 0);
    } catch (error) {
      report('relay.check-failed', { group: group.name, error: String(error) });
    }
    return { group, projections: unconfirmed };
  }

  async function checkDelivery(its: Delivery, due: Check): Promise<void> {
    const { groups } = its;
    if ((await sendNew(its)) === 'sent') {
      its.check = checkOfAll(groups, its.version, settledAt(groups, its.check?.dueAt));
      return;
    }
    const { version } = its;
    const answers = await Promise.all(due.unconfirmed.map((one) => checkGroup(its, due, one)));
    const unconfirmed = answers.filter(({ projections }) => projections?.length !== 0);
    // Events that came after the check was planned do not wait for the end of the backoff.
    const hasNew = version > due.version;
    storage.setAttempt(unconfirmed.length > 0 && !hasNew ? storage.attempt() + 1 : 0);
    // A command that committed meanwhile has planned a check of all groups.
    if (its.version > version) return;
    const rearmedAt = its.check?.dueAt ?? settledAt(groups);
    const dueAt = hasNew ? settledAt(groups, rearmedAt) : rearmedAt;
    its.check = unconfirmed.length > 0 ? { version, dueAt, unconfirmed } : undefined;
  }

  /** The synchronous part of the handler: what has to hold even if nothing after it runs. Returns the check, if it is due. */
  function rearm(): Check | undefined {
    kept.goesOff();
    const head = storage.head();
    if (!head) return undefined;
    const { stream, version } = head;
    const groups = groupsOf(stream);
    const now = clock.now();
    if (!groups) {
      kept.armNoLaterThan(now + UNKNOWN_CATEGORY_RETRY_MS);
      return undefined;
    }
    delivery ??= { stream, groups, version, published: version, check: checkOfAll(groups, version, now) };
    delivery.version = version;
    const { check } = delivery;
    const isDue = check !== undefined && check.dueAt <= now;
    if (isDue) {
      const dueAt = Math.max(settledAt(groups), now + backoffMs());
      delivery.check = { ...check, dueAt };
    }
    keepArmed(delivery);
    return isDue ? check : undefined;
  }

  return {
    prepare: kept.learn,

    expect(stream, fromVersion, toVersion): void {
      const groups = groupsOf(stream) ?? [];
      if (groups.length === 0) return;
      const planned = delivery?.check;
      const dueAt = settledAt(groups, planned?.dueAt);
      kept.armNoLaterThan(dueAt);
      // Memory follows the alarm: where it is refused by an exception, there will be no such version.
      delivery ??= { stream, groups, version: toVersion, published: fromVersion - 1, check: undefined };
      delivery.version = toVersion;
      delivery.check = checkOfAll(groups, planned?.dueAt === dueAt ? planned.version : toVersion, dueAt);
      inBackground(publish(delivery));
    },

    rescueAlarm(): void {
      inBackground(rescueAlarm());
    },

    async onAlarm(): Promise<void> {
      try {
        const due = rearm();
        if (delivery && due) await checkDelivery(delivery, due);
        if (delivery) keepArmed(delivery);
      } catch (error) {
        report('relay.alarm-failed', { error: String(error) });
        kept.armNoLaterThan(clock.now() + firstBackoffMs);
      }
      const refusal = await kept.refusal();
      const needsAlarm = !delivery || delivery.check !== undefined;
      if (refusal !== undefined && needsAlarm) throw new Error(`the next alarm was refused: ${refusal}`);
    },
  };
}

function checkOfAll(groups: readonly Group[], version: number, dueAt: number): Check {
  return { version, dueAt, unconfirmed: groups.map((group) => ({ group, projections: undefined })) };
}
