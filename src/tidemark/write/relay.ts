import type { Clock } from '../platform/clock.ts';
import type { Group } from '../platform/group.ts';
import type { Report } from '../platform/log.ts';
import { type HintMessage, packHints } from './message.ts';
import type { StoredEvent } from '../domain/event.ts';
import type { StreamId } from '../domain/stream.ts';
import { sleep, withTimeout } from '../platform/timeout.ts';
import type { AggregateStorage } from './aggregate-storage.ts';
import type { DeliveryAttempts } from './event-log.ts';
import { type Alarm, keptAlarm } from './kept-alarm.ts';

/** How far a projection has processed a stream: the version, and the id of the event there (null at 0). */
export interface Reached {
  readonly version: number;
  readonly eventId: string | null;
}

/** The dependencies of the relay. Tests replace them, never the relay. */
export interface RelayPorts {
  readonly storage: Pick<AggregateStorage, 'head' | 'read'> & DeliveryAttempts;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /**
   * The groups that follow a stream. Undefined if this code does not know its category. The relay sends new events to the first group only. That
   * group's consumer tells the others about many streams in one message. The delivery check asks every group.
   */
  readonly groupsOf: (stream: StreamId) => readonly Group[] | undefined;
  readonly send: (group: Group, message: HintMessage) => Promise<void>;
  /**
   * Asks a group's database how far its projections (or only those named) have processed the stream. A projection with a dead letter for the stream
   * is left out: no message would take it further.
   */
  readonly versionsReached: (
    group: Group,
    stream: StreamId,
    projections: readonly string[] | undefined,
  ) => Promise<ReadonlyMap<string, Reached>>;
  /** Keeps the object alive until the promise settles, without delaying any answer. */
  readonly inBackground: (work: Promise<void>) => void;
  readonly report: Report;
}

export interface RelayOptions {
  /** The longest wait for a send or a delivery check, in ms. A queue has been seen to hang for a minute and then throw. */
  readonly timeoutMs?: number;
  /**
   * The shortest interval between messages about one stream, in ms. A burst of commands becomes few messages. Default: the batch wait of the
   * receiving group, since messages within that time end in one batch anyway.
   */
  readonly coalesceMs?: number | undefined;
  /** The wait before the first message about a burst, in ms, so that the commands of one moment share it. At most `coalesceMs`. */
  readonly gatherMs?: number;
  /** The wait before the second delivery check, in ms, if the first finds a lag. Each further wait is twice as long. */
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** How many events the relay reads at a time to publish them. */
  readonly pageSize?: number;
}

/** Delivers a stream's events to every group that follows it: at once when all is well, and in the end whatever happens (I7, I18). */
export interface Relay {
  /** Finds out whether an alarm is set. It must run before the first `expect` of this lifetime. */
  readonly prepare: () => Promise<void>;
  /**
   * Called last inside a commit's transaction. It plans the delivery check of the new events and arms the alarm for it (I6). After this turn it sends
   * them, coalesced, in the background. If the platform refuses the alarm at once, this throws: nothing is planned, and the commit is rolled back.
   */
  readonly expect: (stream: StreamId, fromVersion: number, toVersion: number) => void;
  /**
   * Sets the alarm again if it is overdue or was refused, also in an earlier lifetime. It runs in the background, after its caller's work in this
   * turn. Every call needs it. Otherwise a stream whose alarm was lost stays unpublished until its next commit (I7).
   */
  readonly rescueAlarm: () => void;
  /**
   * The alarm handler. It runs no domain code: a bad deploy must not use up the alarm's few retries. It throws only if the platform refuses the next
   * alarm. Then the platform's retry is the only way left.
   *
   * The first attempt sets the next alarm only if something is left when it ends: an alarm costs a row. If the object dies before, the platform runs
   * the handler again. That is a retry, and there are few: a retry sets the next alarm before it awaits anything.
   */
  readonly onAlarm: (options?: { readonly isRetry?: boolean }) => Promise<void>;
}

interface Unconfirmed {
  readonly group: Group;
  /** The group's unconfirmed projections. Undefined: all of them. */
  readonly projections: readonly string[] | undefined;
}

/** A delivery check. One check covers all groups, so a quiet command costs one alarm run, not one for each group (docs/decisions/0008). */
interface Check {
  /** The head when the check was planned. On a busy stream the present head is always ahead of every projection. */
  readonly version: number;
  readonly dueAt: number;
  readonly unconfirmed: readonly Unconfirmed[];
}

/** What this lifetime of the object knows of its stream. */
interface Delivery {
  readonly stream: StreamId;
  readonly groups: readonly Group[];
  /** The head. */
  version: number;
  /** All events up to this version were sent, or an earlier lifetime left them to the delivery check. */
  published: number;
  /** Undefined once all projections are confirmed. */
  check: Check | undefined;
}

/** How often the alarm tries again while the code does not know the stream's category (a bad deploy). */
const UNKNOWN_CATEGORY_RETRY_MS = 60 * 60 * 1000;

export function createRelay(ports: RelayPorts, options: RelayOptions = {}): Relay {
  const { storage, clock, alarm, groupsOf, send, versionsReached, inBackground, report } = ports;
  const {
    timeoutMs = 10_000,
    coalesceMs,
    gatherMs = 20,
    firstBackoffMs = 30_000,
    maxBackoffMs = 24 * 60 * 60 * 1000,
    pageSize = 500,
  } = options;

  const reportRefusal = (error: unknown) => report('relay.alarm-refused', { error: String(error) });
  const kept = keptAlarm(alarm, clock, (error) => {
    reportRefusal(error);
    rememberUnchecked();
  });

  /** Undefined before the first commit or alarm of this lifetime. Until then, any group may lag. */
  let delivery: Delivery | undefined;
  /** When the last message left, in ms since the epoch. */
  let sentAt = 0;
  /** Until this time (ms since the epoch) a running send keeps other calls from sending. It is bounded, since a send may never settle. */
  let sendingUntil = 0;
  /** Whether the alarm handler runs. It sets the next alarm itself when it ends, and the platform runs it again if it dies. */
  let isHandling = false;

  /** Tells a later lifetime that finds no alarm that a group may lag. */
  function rememberUnchecked(): void {
    try {
      if (delivery?.check && storage.attempt() === 0) storage.setAttempt(1);
    } catch (error) {
      reportRefusal(error);
    }
  }

  /**
   * When the check of new events is due. It is the planned time if that is soon enough. Otherwise it is two to three times the batch wait of the
   * slowest group from now, when all events should have arrived. The time is random, so that objects busy at the same moment do not all ask at once.
   */
  function settledAt(groups: readonly Group[], planned = Number.POSITIVE_INFINITY): number {
    const slowestMs = Math.max(0, ...groups.map(({ batchWaitMs }) => batchWaitMs));
    const now = clock.now();
    return planned <= now + 3 * slowestMs ? planned : now + Math.ceil(slowestMs * (2 + clock.random()));
  }

  /**
   * The wait doubles, with jitter: many streams must not query a recovered database all at once. It is in whole milliseconds, as alarms are. An alarm
   * that fires a fraction before its check is due would do nothing and be set again.
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
      if (isHandling) return;
      if (delivery) keepArmed(delivery);
      else if (kept.isOverdue() || (!kept.isSet() && storage.attempt() > 0)) kept.armNoLaterThan(clock.now());
    } catch (error) {
      reportRefusal(error);
    }
  }

  async function publish(its: Delivery): Promise<void> {
    try {
      // Runs after this turn, and so after its commit.
      await Promise.resolve();
      if ((await sendNew(its)) !== 'failed' || !its.check) return;
      // A send that threw may have been accepted. To send again is harmless. The alarm does so, earlier than planned.
      const dueAt = clock.now() + 2 * (its.groups[0]?.batchWaitMs ?? 0);
      its.check = { ...its.check, dueAt: Math.min(its.check.dueAt, dueAt) };
      keepArmed(its);
    } catch (error) {
      reportRefusal(error);
    }
  }

  /**
   * Sends all new events, also those committed meanwhile. Only one call sends at a time, which coalesces a burst. Returns undefined if nothing is
   * new, or if another call is sending.
   */
  async function sendNew(its: Delivery): Promise<'sent' | 'failed' | undefined> {
    const [entry] = its.groups;
    if (!entry || its.published >= its.version || clock.now() < sendingUntil) return undefined;
    const pauseMs = coalesceMs ?? entry.batchWaitMs;
    sendingUntil = clock.now() + pauseMs + 2 * timeoutMs;
    try {
      while (its.published < its.version) {
        const waitMs = Math.min(Math.max(sentAt + pauseMs - clock.now(), gatherMs), pauseMs);
        if (waitMs > 0) await sleep(waitMs);
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

  /** Sends a hint without payload, so that the consumer reads the log. The second and all later tries use this. */
  async function remind(its: Delivery, group: Group, reached: number, isRecheck: boolean): Promise<void> {
    const { stream, version } = its;
    const fromVersion = Math.min(reached + 1, version);
    const hint = { stream, fromVersion, toVersion: version, ...(isRecheck && { isRecheck }) };
    report('relay.reminded', { group: group.name, stream, reached, version });
    await withTimeout(send(group, { sender: 'reminder', hints: [hint] }), timeoutMs);
  }

  /** Whether a projection has another event at its version than this log, or has one beyond its end. The log was then restored to an earlier time. */
  function isOfAnotherLog({ version: at, eventId }: Reached): boolean {
    return at > 0 && storage.read(at, 1)[0]?.id !== eventId;
  }

  /**
   * Asks a group, and reminds it if it lags behind the check. Returns its projections that are not at the head. It never rejects: a failing group
   * must not keep the others from being confirmed.
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

  /** The synchronous part of the handler. On a retry it does what must hold even if nothing after it runs. Returns the check if it is due. */
  function begin(isRetry: boolean): Check | undefined {
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
    if (isRetry || !isDue) keepArmed(delivery);
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
      // Memory follows the alarm. If the platform refuses the alarm with an exception, this version will not exist.
      delivery ??= { stream, groups, version: toVersion, published: fromVersion - 1, check: undefined };
      delivery.version = toVersion;
      delivery.check = checkOfAll(groups, planned?.dueAt === dueAt ? planned.version : toVersion, dueAt);
      inBackground(publish(delivery));
    },

    rescueAlarm(): void {
      inBackground(rescueAlarm());
    },

    async onAlarm({ isRetry = false } = {}): Promise<void> {
      isHandling = true;
      try {
        const due = begin(isRetry);
        if (delivery && due) await checkDelivery(delivery, due);
        if (delivery) keepArmed(delivery);
      } catch (error) {
        report('relay.alarm-failed', { error: String(error) });
        kept.armNoLaterThan(clock.now() + firstBackoffMs);
      } finally {
        isHandling = false;
      }
      const refusal = await kept.refusal();
      const needsAlarm = !delivery || delivery.check !== undefined;
      if (refusal !== undefined && needsAlarm) throw new Error(`the platform refused the next alarm: ${refusal}`);
    },
  };
}

function checkOfAll(groups: readonly Group[], version: number, dueAt: number): Check {
  return { version, dueAt, unconfirmed: groups.map((group) => ({ group, projections: undefined })) };
}
