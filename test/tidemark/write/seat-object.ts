import type { Group } from '../../../src/tidemark/platform/group.ts';
import type { Hint } from '../../../src/tidemark/write/message.ts';
import { type InMemoryHost, inMemoryDisk, inMemoryObject } from '../../../src/tidemark/testing/in-memory-object.ts';
import { manualClock } from '../../../src/tidemark/testing/manual-clock.ts';
import type { Reached, RelayOptions } from '../../../src/tidemark/write/relay.ts';
import { type SeatCommand, evening, seatType } from '../seats.ts';
import { requestOf } from './seat-aggregate.ts';

/** A second group, with a longer batch wait. */
export const night: Group = { name: 'night', batchWaitMs: 30_000 };

/** How long after a commit the delivery of `evening` is checked, with the random number of these tests. */
export const SETTLED_MS = 2.5 * evening.batchWaitMs;

/** The surroundings of the object. A test replaces the part that must fail. */
interface Surroundings {
  groupsOf: InMemoryHost['groupsOf'];
  send: (group: Group, hint: Hint) => Promise<void>;
  versionsReached: InMemoryHost['versionsReached'];
  random: () => number;
}

/** The object of seat 12, with surroundings that a test controls. By default, messages arrive and projections are up to date. */
export function seatObject(relayOptions: RelayOptions = {}) {
  const sent: { readonly group: string; readonly hint: Hint }[] = [];
  const reports: string[] = [];
  /** The position of each projection of each group. `head` follows the log. */
  const reached = new Map<string, Map<string, number | 'head' | Reached>>([
    ['evening', new Map([['seat-map', 'head']])],
    ['night', new Map([['takings', 'head']])],
  ]);
  const asked: { readonly group: string; readonly projections: readonly string[] | undefined }[] = [];
  const clock = manualClock({ random: () => around.random() });
  const { storage, alarm } = inMemoryDisk();
  function positionAt(at: number | 'head'): Reached {
    const version = at === 'head' ? (storage.head()?.version ?? 0) : at;
    return { version, eventId: storage.read(version, 1)[0]?.id ?? null };
  }
  const around: Surroundings = {
    groupsOf: () => [evening],
    async send(group, hint) {
      sent.push({ group: group.name, hint });
    },
    async versionsReached({ name }, _stream, projections) {
      asked.push({ group: name, projections });
      const all = [...(reached.get(name) ?? [])].filter(([projection]) => projections?.includes(projection) ?? true);
      return new Map(all.map(([projection, at]) => [projection, typeof at === 'object' ? at : positionAt(at)]));
    },
    random: () => 0.5,
  };
  const host: InMemoryHost = {
    clock,
    typeOf: () => seatType,
    groupsOf: (stream) => around.groupsOf(stream),
    async send(group, { hints }) {
      for (const hint of hints) await around.send(group, hint);
    },
    versionsReached: (group, stream, projections) => around.versionsReached(group, stream, projections),
    report: (event) => reports.push(event),
    relayOptions: { timeoutMs: 20, ...relayOptions },
  };
  let object = inMemoryObject(host, { storage, alarm });

  return {
    around,
    alarm,
    asked,
    clock,
    host,
    reached,
    reports,
    sent,
    storage,
    /** The ranges that were sent, for example `evening 1-3`. A `*` marks a message with its events. */
    ranges: () =>
      sent.map(({ group, hint }) => `${group} ${hint.fromVersion}-${hint.toVersion}${hint.events ? '*' : ''}`),
    /** Sends a command and returns its answer, as a client gets it. Publishing may still be under way. */
    run: (command: SeatCommand) => object.execute(requestOf(command)),
    /** Reads the log, as a catch-up does. */
    read: () => object.load(1, 100),
    settled: () => object.settled(),
    /** How long until the alarm is due, in ms. Null if it is not set. */
    dueInMs: () => (alarm.dueAt === null ? null : alarm.dueAt - clock.now()),
    fireAlarm: (options?: { readonly isRetry?: boolean }) => object.fireAlarm(options),
    /** Advances the time until the alarm is due, and fires it. Throws if no alarm is set. */
    async nextAlarm() {
      if (alarm.dueAt === null) throw new Error('no alarm is set');
      clock.set(Math.max(clock.now(), alarm.dueAt));
      await object.fireAlarm();
    },
    /** Ends the object and its background work. The next call starts a new one on the same disk. */
    evict() {
      object = inMemoryObject(host, { storage, alarm });
    },
  };
}
