import { env as bindings } from 'cloudflare:workers';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Registry } from '../../../src/tidemark/projections/registry.ts';
import { type StreamId, categoryOf } from '../../../src/tidemark/domain/stream.ts';
import { groups } from '../../support/groups.ts';
import { type CheckOptions, checkHistory } from '../checker.ts';
import type { LoggedEvent, Operation } from '../history.ts';
import { explain } from '../violation.ts';
import { type Databases, type DomainRun, type Logs, canonical } from './domain.ts';
import type { SetBacks, SkipOfEvent } from './set-backs.ts';

/** The data of a run at rest. */
export interface Remains {
  readonly logs: Logs;
  readonly operations: readonly Operation[];
  readonly domain: DomainRun;
  readonly registry: Registry;
  readonly get: (path: string) => Promise<unknown>;
  readonly setBacks: SetBacks;
  /** The true time, in ms. */
  readonly now: number;
}

/** The projection that holds every event, and cannot be built anew. */
const ARCHIVE = 'archive';

/** Everything that is wrong with a run, in plain words: by what its clients saw, and by what every table holds at rest. */
export async function judge(remains: Remains): Promise<readonly string[]> {
  const { logs, domain, get, now, setBacks } = remains;
  const found: string[] = [];
  try {
    const skipped = await skippedEvents();
    const checkpoints = await checkpointsAtRest();
    const archive = await readArchive(logs, setBacks, checkpoints);
    found.push(
      ...judgeHistory(remains, [...skipped, ...setBacks.skipped], archive.stopped),
      ...unapplied(remains, checkpoints, archive.stopped),
      ...archive.found,
    );
    const left = skipsIn(logs, skipped);
    found.push(...(await domain.judgeAtRest({ logs, archived: archive.archived, skipped: left, get, databases, now })));
  } catch (error) {
    found.push(`unjudgeable: ${String((error as Error).stack)}`);
  }
  return found;
}

const databases: Databases = { serving: bindings.SERVING_DB, reporting: bindings.REPORTING_DB };

/** What an operator had read models leave out. */
async function skippedEvents(): Promise<readonly SkipOfEvent[]> {
  const answers = await Promise.all(
    [bindings.SERVING_DB, bindings.REPORTING_DB].map((database) =>
      database
        .prepare(
          `SELECT projection AS readModel, stream, version, event_id AS eventId FROM skipped_event
          ORDER BY projection, stream, version`,
        )
        .all<{ readModel: string; stream: string; version: number; eventId: string }>(),
    ),
  );
  return answers.flatMap(({ results }) => results);
}

/** Those whose event is in these logs. */
function skipsIn(logs: Logs, skipped: readonly SkipOfEvent[]): readonly SkipOfEvent[] {
  return skipped.filter(({ stream, version, eventId }) => logs[stream]?.[version - 1]?.id === eventId);
}

/** The history as the checker wants it, where every stream has as many logs as it has had. */
function judgeHistory(
  { logs, operations, domain, setBacks }: Remains,
  skipped: readonly SkipOfEvent[],
  stopped: readonly string[],
): readonly string[] {
  const branches = branchesOfStored(logs, setBacks);
  const contents = new Map(
    setBacks.logs.flatMap(({ stream }) =>
      (branches.get(stream) ?? []).flatMap((log) =>
        log.map((event, index) => [event.id, domain.contentOf(stream, log.slice(0, index + 1))] as const),
      ),
    ),
  );
  const toLogged = (event: StoredEvent): LoggedEvent => ({
    id: event.id,
    version: event.version,
    correlationId: event.metadata.correlationId,
    recordedAt: event.recordedAt,
    saw: domain.saw(event),
    ...(contents.get(event.id) !== undefined && { content: contents.get(event.id) ?? null }),
  });
  const log = Object.fromEntries(Object.entries(logs).map(([stream, events]) => [stream, events.map(toLogged)]));
  const atRest = stopped.map((stream) => ({ readModel: ARCHIVE, stream, from: Infinity, until: null }));
  const restored = {
    logs: setBacks.logs.map(({ lost, ...rest }) => ({ ...rest, lost: lost.map(toLogged) })),
    databases: setBacks.databases,
    stopped: [...setBacks.stopped, ...atRest],
  };
  // One for each log that some stream has had. A stream with fewer logs is the same in the others.
  const most = Math.max(1, ...[...branches.values()].map(({ length }) => length));
  const memberships = Array.from({ length: most }, (_, branch) => {
    const ofBranch = { ...logs, ...mapValues(branches, (all) => all[Math.min(branch, all.length - 1)] ?? []) };
    const present = domain.membership(ofBranch, skipsIn(ofBranch, skipped));
    // An event that was skipped after a database was set back may have been shown before.
    return setBacks.databases.length > 0 ? either(present, domain.membership(ofBranch, [])) : present;
  });
  const violations = checkHistory(
    { operations, log, skipped, restored },
    {
      belongs: (operation, stream, version, branch) =>
        memberships[branch]?.belongs?.(operation, stream, version, branch),
      adds: (operation, stream, version, branch) =>
        memberships[branch]?.adds?.(operation, stream, version, branch) ?? [{}],
    },
  );
  return violations.length === 0 ? [] : explain(violations).split('\n');
}

/** The common part of two memberships for lists, and both parts for sums. */
function either(one: CheckOptions, other: CheckOptions): CheckOptions {
  return {
    belongs(...asked) {
      const does = one.belongs?.(...asked);
      return does === other.belongs?.(...asked) ? does : undefined;
    },
    adds: (...asked) => [...(one.adds?.(...asked) ?? [{}]), ...(other.adds?.(...asked) ?? [{}])],
  };
}

function mapValues<Value, Result>(
  map: ReadonlyMap<string, Value>,
  to: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries([...map].map(([key, value]) => [key, to(value)]));
}

/** Every log that each stream has had whose log was set back, the present one last. */
function branchesOfStored(logs: Logs, setBacks: SetBacks): ReadonlyMap<string, readonly (readonly StoredEvent[])[]> {
  const branches = new Map<string, (readonly StoredEvent[])[]>();
  for (const { stream, to, lost } of setBacks.logs.toReversed()) {
    const later = branches.get(stream) ?? [logs[stream] ?? []];
    branches.set(stream, [[...(later[0] ?? []).slice(0, to), ...lost], ...later]);
  }
  return branches;
}

/** Where every live slot has every stream, and where it is held. */
interface Checkpoint {
  readonly projection: string;
  readonly stream: string;
  readonly version: number;
  readonly event_id: string;
  /** The cause of an open dead letter about the event right after it. */
  readonly held: string | null;
}

async function checkpointsAtRest(): Promise<readonly Checkpoint[]> {
  const answers = await Promise.all(
    [bindings.SERVING_DB, bindings.REPORTING_DB].map((database) =>
      database
        .prepare(
          `SELECT at.projection, at.stream, at.version, at.event_id, d.cause AS held
          FROM (
            SELECT c.projection, c.stream, c.version, c.event_id FROM target_position AS c
            JOIN projection_pointer AS pointer ON pointer.projection = c.projection AND pointer.live_slot = c.slot
            UNION ALL
            SELECT d.projection, d.stream, 0, '' FROM dead_letter AS d
            JOIN projection_pointer AS pointer ON pointer.projection = d.projection
            WHERE NOT EXISTS (
              SELECT 1 FROM target_position AS c
              WHERE c.projection = d.projection AND c.slot = pointer.live_slot AND c.stream = d.stream
            )
          ) AS at
          LEFT JOIN dead_letter AS d ON d.projection = at.projection AND d.stream = at.stream
            AND d.is_open = 1 AND d.version = at.version + 1`,
        )
        .all<Checkpoint & Record<string, unknown>>(),
    ),
  );
  return answers.flatMap(({ results }) => results);
}

/** Every projection that follows a stream has reached its head, and nothing is held: but for what a restore of a log keeps from the archive. */
function unapplied(
  { logs, registry, setBacks }: Remains,
  checkpoints: readonly Checkpoint[],
  stopped: readonly string[],
): readonly string[] {
  const found: string[] = [];
  const streams = new Set([...Object.keys(logs), ...setBacks.logs.map(({ stream }) => stream)]);
  for (const { name, follows } of groups.flatMap((group) => registry.projectionsOf(group))) {
    for (const stream of streams) {
      if (!Object.hasOwn(follows, categoryOf(stream as StreamId))) continue;
      if (name === ARCHIVE && stopped.includes(stream)) continue;
      const events = logs[stream] ?? [];
      const at = checkpoints.find((row) => row.projection === name && row.stream === stream);
      if (at?.held) found.push(`at rest there is a dead letter: ${canonical(at)}`);
      const reached = at?.version ?? 0;
      if (reached !== events.length || (at?.event_id ?? '') !== (events.at(-1)?.id ?? ''))
        found.push(`at rest ${name} has ${stream} at ${reached}, and its log ends at ${events.length} (I18)`);
    }
  }
  return found;
}

/** The expected archive, and the streams that it has visibly stopped because a log was set back. */
interface ArchiveAtRest {
  readonly archived: Logs;
  /** It keeps what these streams have lost, and takes no more of them. */
  readonly stopped: readonly string[];
  readonly found: readonly string[];
}

/**
 * The archive is the union of all logs, each event once and each stream in its order. Of a log that was set back it may have what was lost:
 * then it is visibly stopped, and has one of the logs that the stream has had, up to where it stopped.
 */
async function readArchive(logs: Logs, setBacks: SetBacks, checkpoints: readonly Checkpoint[]): Promise<ArchiveAtRest> {
  const { results } = await bindings.REPORTING_DB.prepare(
    `SELECT stream, version, event FROM archive_event ORDER BY position`,
  ).all<{ stream: string; version: number; event: string }>();
  const found: string[] = [];
  const stopped: string[] = [];
  const archived: Record<string, readonly StoredEvent[]> = {};
  const branches = branchesOfStored(logs, setBacks);
  for (const stream of new Set([...Object.keys(logs), ...branches.keys()])) {
    const is = results.filter((row) => row.stream === stream).map(({ event }) => JSON.parse(event) as StoredEvent);
    const at = checkpoints.find((row) => row.projection === ARCHIVE && row.stream === stream);
    const isStopped = at?.held === 'log-restored';
    const ought = isStopped
      ? (branches.get(stream) ?? []).map((log) => log.slice(0, at.version))
      : [logs[stream] ?? []];
    const match = ought.find((events) => canonical(events) === canonical(is));
    if (isStopped) stopped.push(stream);
    if (!match)
      found.push(`the archive has ${stream} as ${is.length} events that are not the ${ought[0]?.length} of its log`);
    archived[stream] = match ?? logs[stream] ?? [];
  }
  const total = Object.values(archived).reduce((sum, events) => sum + events.length, 0);
  if (results.length !== total) found.push(`the archive has ${results.length} events, and ought to have ${total}`);
  return { archived, stopped, found };
}
