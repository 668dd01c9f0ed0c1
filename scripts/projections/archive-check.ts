/**
 * Compares the archive with the logs. The archive only appends, so it cannot be rebuilt. It must hold every event of every stream once, in order, with
 * the content of the log.
 */
import { createHash } from 'node:crypto';

import { type Answer, type Api, UnexpectedAnswerError, atOnce, retrying } from '../api-client.ts';

interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly streamversion: number;
  readonly schemaversion: number;
  readonly correlationid: string;
  readonly causationid: string;
  readonly actor: string;
  readonly data: unknown;
}

interface LoggedEvent {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: unknown;
  readonly metadata: {
    readonly correlationId: string;
    readonly causationId: string;
    readonly actor: { readonly kind: string; readonly id: string };
  };
  readonly recordedAt: string;
}

interface FeedPage {
  readonly items: readonly CloudEvent[];
  readonly nextCursor: string;
}

interface LogPage {
  readonly items: readonly LoggedEvent[];
  readonly nextCursor: string | null;
}

export interface ArchiveFindings {
  readonly events: number;
  readonly streams: number;
  /** One sentence for each difference. */
  readonly differences: readonly string[];
}

const PAGE = 100;
/** The number of logs that are read at once. */
const CONCURRENCY = 8;
/** The streams of one token: fewer than a token can hold. */
const STREAMS_PER_TOKEN = 48;

/** Reports progress: first the events of the feed, then the streams. */
export type OnProgress = (phase: 'feed' | 'logs', done: number, total: number) => void;

export async function checkArchive(api: Api, onProgress: OnProgress): Promise<ArchiveFindings> {
  const archived = new Map<string, string[]>();
  const differences: string[] = [];
  let events = 0;
  let cursor: string | undefined;

  /** Reads the feed to its end; with a token, at least to what the token has seen. */
  async function readFeed(token?: string): Promise<void> {
    for (;;) {
      const query = new URLSearchParams({ limit: String(PAGE), ...(cursor !== undefined && { after: cursor }) });
      const { body } = await ok(() => api.get<FeedPage>(`/events?${query.toString()}`, { token }));
      for (const event of body.items) {
        events += 1;
        takeIn(event);
      }
      onProgress('feed', events, 0);
      const isEnd = body.items.length === 0;
      cursor = body.nextCursor;
      if (isEnd) return;
    }
  }

  /** Records an event of the feed. Gaps are reported after the whole feed. */
  function takeIn(event: CloudEvent): void {
    const stream = event.source.replace('/streams/', '');
    const version = event.streamversion;
    const known = archived.get(stream) ?? [];
    archived.set(stream, known);
    if (known[version - 1] !== undefined) differences.push(`${stream}: the archive has version ${version} twice`);
    else if (version <= known.length)
      differences.push(`${stream}: version ${version} comes after version ${known.length}`);
    known[version - 1] = fingerprint(fromFeed(event));
  }

  /** Compares a stream's log with the archive, from a version on. Returns the head of the log, and a token that has seen it. */
  async function compareLog(stream: string, fromVersion: number, token?: string) {
    const known = archived.get(stream) ?? [];
    let seen = token;
    let head = fromVersion - 1;
    let next: string | null = '';
    while (next !== null) {
      const query = new URLSearchParams({
        limit: String(PAGE),
        ...(next === '' ? { fromVersion: String(fromVersion) } : { cursor: next }),
      });
      const page: Answer<LogPage> = await ok(() =>
        api.get<LogPage>(`/streams/${stream}/events?${query.toString()}`, { token: seen }),
      );
      seen = page.token;
      for (const event of page.body.items) {
        head = event.version;
        const inArchive = known[event.version - 1];
        if (inArchive !== undefined && inArchive !== fingerprint(fromLog(event)))
          differences.push(`${stream}: version ${event.version} differs from the log`);
      }
      next = page.body.nextCursor;
    }
    return { head, token: seen };
  }

  await readFeed();
  const streams = [...archived.keys()];
  const further = new Map<string, number>();
  let compared = 0;
  await atOnce(CONCURRENCY, streams, async (stream) => {
    const had = archived.get(stream)?.length ?? 0;
    const { head } = await compareLog(stream, 1);
    if (head > had) further.set(stream, had);
    if (head < had) differences.push(`${stream}: the archive has version ${had}, the log ends at ${head}`);
    compared += 1;
    onProgress('logs', compared, streams.length);
  });

  // Events that were written meanwhile or are not archived yet: with a token that has seen them, the feed must have them.
  const left = [...further];
  for (let from = 0; from < left.length; from += STREAMS_PER_TOKEN) {
    const some = left.slice(from, from + STREAMS_PER_TOKEN);
    const heads = new Map<string, number>();
    let token: string | undefined;
    for (const [stream, had] of some) {
      const log = await compareLog(stream, had + 1, token);
      heads.set(stream, log.head);
      ({ token } = log);
    }
    await readFeed(token);
    for (const [stream, had] of some) {
      const head = heads.get(stream) ?? 0;
      const has = archived.get(stream)?.length ?? 0;
      if (has < head) differences.push(`${stream}: the archive ends at version ${has}, the log has version ${head}`);
      else await compareLog(stream, had + 1);
    }
  }
  for (const [stream, known] of archived) {
    for (let version = 1; version <= known.length; version += 1) {
      if (known[version - 1] === undefined) differences.push(`${stream}: the archive lacks version ${version}`);
    }
  }
  return { events, streams: archived.size, differences };
}

async function ok<Body>(send: () => Promise<Answer<Body>>): Promise<Answer<Body>> {
  const answer = await retrying(send);
  if (answer.status !== 200) throw new UnexpectedAnswerError(answer);
  return answer;
}

function fromFeed(event: CloudEvent): unknown {
  const { id, type, streamversion, schemaversion, time, correlationid, causationid, actor, data } = event;
  return [id, type, streamversion, schemaversion, time, correlationid, causationid, actor, data];
}

function fromLog(event: LoggedEvent): unknown {
  const { id, type, version, schemaVersion, recordedAt, metadata, data } = event;
  return [
    id,
    type,
    version,
    schemaVersion,
    recordedAt,
    metadata.correlationId,
    metadata.causationId,
    `${metadata.actor.kind}:${metadata.actor.id}`,
    data,
  ];
}

/** The same for equal content, whatever the order of members. */
function fingerprint(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content, inOrder)).digest('base64');
}

function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
