import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { ObjectStorage } from '../../golden/object-storage.ts';
import type { DatabaseRows } from './databases.ts';

/** What a client had been answered, and gets again. */
export interface Answered {
  readonly path: string;
  readonly status: number;
  readonly body: object;
}

/** A command that was applied under a key. */
export interface Keyed {
  readonly path: string;
  readonly key: string;
  readonly body: object;
  readonly status: number;
  readonly answer: object;
}

/** A list that a client was in the middle of: the ids of the rows that were still to come. */
export interface HalfRead {
  readonly path: string;
  readonly cursor: string;
  readonly rest: readonly unknown[];
}

/** All that a deployment of one release had stored and given out when it was upgraded. */
export interface Release {
  /** The commit whose code wrote it. */
  readonly commit: string;
  /** RFC 3339. */
  readonly writtenAt: string;
  /** The secret that its tokens are signed with. */
  readonly secret: string;
  /** By database: the migrations that it had, each with a hash of its text, and the rows. */
  readonly databases: Readonly<
    Record<
      'serving' | 'reporting',
      { readonly migrations: Readonly<Record<string, string>>; readonly rows: DatabaseRows }
    >
  >;
  /** With the time at which its alarm was due, in ms since the epoch; null: none was set. */
  readonly objects: readonly (ObjectStorage & { readonly alarmAt: number | null })[];
  /** Bodies of messages that were in a queue. */
  readonly messages: Readonly<Record<'serving' | 'reporting', readonly object[]>>;
  /** Of a client that had seen everything that the read models had. */
  readonly tokens: Readonly<Record<'plain' | 'shortened' | 'partial', string>>;
  /** What no read model had yet, and the token that has seen it. */
  readonly pending: { readonly token: string; readonly streams: Readonly<Record<string, number>> };
  readonly answers: readonly Answered[];
  readonly lists: readonly HalfRead[];
  readonly feed: { readonly middle: HalfRead; readonly end: string };
  readonly keyed: readonly Keyed[];
  readonly held: { readonly projection: string; readonly stream: StreamId; readonly version: number };
  readonly skipped: { readonly readModel: string; readonly stream: StreamId; readonly version: number };
  /** By what can be done about it: a slot to go back to, and a build to accept. */
  readonly builds: {
    readonly swapped: readonly string[];
    readonly awaitingAcceptance: { readonly projection: string; readonly id: string };
  };
}

type Item = Readonly<Record<string, unknown>>;

/** What tells a row of a list from every other. */
export function rowId({ id, orderId, productId, version }: Item): unknown {
  return id ?? orderId ?? productId ?? version;
}

/** The rows of a list from a cursor on, as `get` answers. */
export async function readOn(
  { path, cursor }: Pick<HalfRead, 'path' | 'cursor'>,
  parameter: 'cursor' | 'after',
  get: (path: string) => Promise<{ readonly items: readonly Item[] }>,
): Promise<readonly unknown[]> {
  const { items } = await get(`${path}${path.includes('?') ? '&' : '?'}limit=100&${parameter}=${cursor}`);
  return items.map(rowId);
}
