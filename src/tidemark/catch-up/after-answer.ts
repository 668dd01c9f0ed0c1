import type { Group } from '../platform/group.ts';
import { OverloadedError } from '../platform/faults.ts';
import { sleep, withTimeout } from '../platform/timeout.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Hint } from '../write/message.ts';
import type { SingleFlight } from '../queries/single-flight.ts';
import { catchUp } from './catch-up.ts';
import { type Asked, catchUpTogether } from './catch-up-together.ts';
import { type Budget, affordsBatch, newBudget } from './catch-up-limits.ts';
import type { CatchUpContext } from './catch-up-work.ts';
import { requestsFor } from './projection-worker.ts';

/** The part of the system that applies events after an answer. */
export interface AfterAnswerContext extends CatchUpContext {
  /** Runs work for the keys (`<projection>/<stream>`) that no read of this isolate is bringing up at the moment. */
  readonly flights: SingleFlight;
}

export interface AfterAnswerOptions {
  /** Whether it does anything. Default: true. */
  readonly isOn?: boolean;
  /** The longest that one round may take, in ms. */
  readonly roundMs?: number;
  /** The shortest pause between two rounds, in ms. Commands that come meanwhile share the next round. */
  readonly pauseMs?: number;
  /** Events that would wait longer than this for their round, in ms, are left to the queue. */
  readonly patienceMs?: number;
  /** The pause after a fault of the database or of a log, in ms. */
  readonly restMs?: number;
  /** The commands whose events wait for the next round. It leaves further ones to the queue. */
  readonly maxWaiting?: number;
}

/**
 * Applies the events of a command to the first group that follows their stream, after the command's answer, so that a reader without a token sees
 * them soon. It promises nothing: the queue brings what it leaves.
 */
export interface AfterAnswer {
  /** Whether it applies the events of any stream. */
  readonly isOn: () => boolean;
  /** Applies events, and those of other commands that come meanwhile. Never rejects, and does not try again. */
  readonly apply: (hint: Hint) => Promise<void>;
}

/** Rounds that may lose against other writers. The others apply the same events, so this gives up early. */
const MAX_LOST_RACES = 2;

/** How long one command runs the rounds, in ms. The platform cancels the work of a request 30 s after its answer. */
const MAX_LEAD_MS = 10_000;

/** The pause after a round is at least so many times the round. So all rounds together take little of a busy database. */
const PAUSE_PER_ROUND = 2;

/** What this isolate does for one group. */
interface Work {
  /** The events for the next round. */
  waiting: Hint[];
  /** The command whose request runs the rounds, and when it counts as cancelled, in ms since the Unix epoch. */
  leader: { readonly until: number } | undefined;
  /** When the next round may begin. */
  nextAt: number;
}

/**
 * One round at a time for each group and isolate. The first command runs it at once. Those that come meanwhile and in the pause after it share the next
 * round, so many commands need few rounds, and one hot stream never has two.
 */
export function afterAnswer(context: AfterAnswerContext, options: AfterAnswerOptions = {}): AfterAnswer {
  const { roundMs = 5_000, pauseMs = 50, patienceMs = 1_000, restMs = 10_000, maxWaiting = 200 } = options;
  const { clock, registry, report } = context;
  const works = new Map<Group, Work>();

  const isOn = () => options.isOn ?? true;

  function groupOf(stream: StreamId): Group | undefined {
    const group = registry.groupsOf(stream)?.[0];
    return isOn() && group?.appliesAfterAnswer ? group : undefined;
  }

  function workOf(group: Group): Work {
    const work = works.get(group) ?? { waiting: [], leader: undefined, nextAt: 0 };
    works.set(group, work);
    return work;
  }

  const waitOf = ({ nextAt }: Work) => Math.max(nextAt - clock.now(), 0);

  async function lead(group: Group, work: Work): Promise<void> {
    const budget = newBudget();
    const leadsUntil = clock.now() + MAX_LEAD_MS;
    let leader: Work['leader'];
    const goesOn = () =>
      work.leader === leader && clock.now() < leadsUntil && waitOf(work) <= patienceMs && affordsBatch(budget);
    try {
      do {
        const waitMs = waitOf(work);
        leader = { until: clock.now() + waitMs + roundMs };
        work.leader = leader;
        if (waitMs > 0) await sleep(waitMs);
        const hints = work.waiting;
        work.waiting = [];
        const beganAt = clock.now();
        await withTimeout(applyAll(context, group, hints, budget), roundMs);
        const now = clock.now();
        work.nextAt = now + Math.max(pauseMs, PAUSE_PER_ROUND * (now - beganAt));
      } while (work.waiting.length > 0 && goesOn());
    } catch (error) {
      // The database may be overloaded, and then it needs rest.
      work.nextAt = clock.now() + restMs;
      report('after-answer.failed', { group: group.name, error: String(error) });
    } finally {
      if (work.leader === leader) work.leader = undefined;
    }
  }

  return {
    isOn: () => isOn() && registry.groups.some(({ appliesAfterAnswer }) => appliesAfterAnswer),

    async apply(hint) {
      const group = groupOf(hint.stream);
      if (!group) return;
      const work = workOf(group);
      if (waitOf(work) > patienceMs) work.waiting = [];
      else if (work.waiting.length < maxWaiting) work.waiting.push(hint);
      // A request that the platform has cancelled never ends its round.
      const isLed = work.leader !== undefined && work.leader.until > clock.now();
      if (work.waiting.length > 0 && !isLed) await lead(group, work);
    },
  };
}

async function applyAll(
  context: AfterAnswerContext,
  group: Group,
  hints: readonly Hint[],
  budget: Budget,
): Promise<void> {
  const byStream = Map.groupBy(hints, ({ stream }) => stream);
  const asked = context.registry
    .projectionsOf(group)
    .filter(({ mode }) => mode === 'asynchronous')
    .map((projection) => ({ projection, requests: requestsFor(projection, byStream) }))
    .filter(({ requests }) => requests.length > 0);
  const [only, ...others] = asked;
  // What does not move together is left to the queue.
  if (others.length > 0) await catchUpTogether(context, group, asked, budget);
  else if (only) await applyAlone(context, only, budget);
}

/** Catches up one projection, but for the streams that a read brings up at the moment. */
async function applyAlone(context: AfterAnswerContext, { projection, requests }: Asked, budget: Budget): Promise<void> {
  const byKey = new Map(requests.map((request) => [`${projection.name}/${request.stream}`, request]));
  await context.flights.run([...byKey.keys()], async (led) => {
    const own = led.flatMap((key) => byKey.get(key) ?? []);
    const { streams } = await catchUp(context, projection, own, { budget, maxLostRaces: MAX_LOST_RACES });
    const isOverloaded = [...streams.values()].some(({ standstill }) => standstill?.cause === 'overloaded');
    if (isOverloaded) throw new OverloadedError('an object turned away the read of its log');
  });
}
