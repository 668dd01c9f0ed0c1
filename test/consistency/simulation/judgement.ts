import { env as bindings } from 'cloudflare:workers';

import type { Registry } from '../../../src/eventsourcing/registry.ts';
import { type StreamId, categoryOf } from '../../../src/eventsourcing/stream.ts';
import { groups, serving } from '../../../src/groups.ts';
import { checkHistory } from '../checker.ts';
import type { Operation, SkippedEvent } from '../history.ts';
import { explain } from '../violation.ts';
import { type Databases, type DomainRun, type Logs, canonical } from './domain.ts';

/** What is left of a run once all is quiet. */
export interface Remains {
  readonly logs: Logs;
  readonly operations: readonly Operation[];
  readonly domain: DomainRun;
  readonly registry: Registry;
  readonly get: (path: string) => Promise<unknown>;
  /** The true time, in ms. */
  readonly now: number;
}

/** Everything that is wrong with a run, in plain words: by what its clients saw, and by what every table holds at rest. */
export async function judge(remains: Remains): Promise<readonly string[]> {
  const { logs, domain, get, now } = remains;
  const found: string[] = [];
  try {
    const skipped = await skippedEvents();
    found.push(...judgeHistory(remains, skipped), ...(await unapplied(remains)), ...(await archive(logs)));
    found.push(...(await domain.judgeAtRest({ logs, skipped, get, databases, now })));
  } catch (error) {
    found.push(`unjudgeable: ${String((error as Error).stack)}`);
  }
  return found;
}

const databases: Databases = { serving: bindings.SERVING_DB, reporting: bindings.REPORTING_DB };

/** What an operator had read models leave out. */
async function skippedEvents(): Promise<readonly SkippedEvent[]> {
  const answers = await Promise.all(
    [bindings.SERVING_DB, bindings.REPORTING_DB].map((database) =>
      database
        .prepare(
          `SELECT projection AS readModel, stream, version FROM skipped_event ORDER BY projection, stream, version`,
        )
        .all<{ readModel: string; stream: string; version: number }>(),
    ),
  );
  return answers.flatMap(({ results }) => results);
}

function judgeHistory({ logs, operations, domain }: Remains, skipped: readonly SkippedEvent[]): readonly string[] {
  const log = Object.fromEntries(
    Object.entries(logs).map(([stream, events]) => [
      stream,
      events.map((event) => ({
        id: event.id,
        version: event.version,
        correlationId: event.metadata.correlationId,
        recordedAt: event.recordedAt,
        saw: domain.saw(event),
      })),
    ]),
  );
  const violations = checkHistory({ operations, log, skipped }, domain.membership(logs, skipped));
  return violations.length === 0 ? [] : explain(violations).split('\n');
}

/** Every projection that follows a stream has reached its head, and nothing is held. */
async function unapplied({ logs, registry }: Remains): Promise<readonly string[]> {
  const found: string[] = [];
  for (const group of groups) {
    const database = group === serving ? bindings.SERVING_DB : bindings.REPORTING_DB;
    const [checkpoints, letters] = await database.batch<Record<string, unknown>>([
      database.prepare(
        `SELECT c.projection, c.stream, c.version, c.event_id FROM checkpoint AS c
          JOIN projection_pointer AS pointer ON pointer.projection = c.projection AND pointer.live_slot = c.slot`,
      ),
      // One that what is live has got past since, by a swap or a rollback, counts no more.
      database.prepare(
        `SELECT d.projection, d.stream, d.version, d.error FROM dead_letter AS d
          JOIN projection_pointer AS pointer ON pointer.projection = d.projection
          LEFT JOIN checkpoint AS c
            ON c.projection = d.projection AND c.slot = pointer.live_slot AND c.stream = d.stream
          WHERE d.is_open = 1 AND d.version > coalesce(c.version, 0)`,
      ),
    ]);
    for (const letter of letters?.results ?? []) found.push(`at rest there is a dead letter: ${canonical(letter)}`);
    for (const [stream, events] of Object.entries(logs)) {
      for (const { name } of registry.projectionsOf(group)) {
        const { follows = {} } = registry.projectionsOf(group).find((projection) => projection.name === name) ?? {};
        if (!Object.hasOwn(follows, categoryOf(stream as StreamId))) continue;
        const at = checkpoints?.results.find((row) => row['projection'] === name && row['stream'] === stream);
        const reached = Number(at?.['version'] ?? 0);
        if (reached !== events.length || at?.['event_id'] !== events.at(-1)?.id)
          found.push(`at rest ${name} has ${stream} at ${reached}, and its log ends at ${events.length} (I18)`);
      }
    }
  }
  return found;
}

/** The archive is the union of all logs, each event once and each stream in its order. */
async function archive(logs: Logs): Promise<readonly string[]> {
  const { results } = await bindings.REPORTING_DB.prepare(
    `SELECT stream, version, event FROM archive_event ORDER BY position`,
  ).all<{ stream: string; version: number; event: string }>();
  const found: string[] = [];
  for (const [stream, events] of Object.entries(logs)) {
    const is = results.filter((row) => row.stream === stream).map(({ event }) => canonical(JSON.parse(event)));
    const ought = events.map((event) => canonical(event));
    if (is.join() !== ought.join())
      found.push(`the archive has ${stream} as ${is.length} events that are not the ${ought.length} of its log`);
  }
  const total = Object.values(logs).reduce((sum, events) => sum + events.length, 0);
  if (results.length !== total) found.push(`the archive has ${results.length} events, and the logs ${total}`);
  return found;
}
