import type {
  Acknowledged,
  CommandOperation,
  FeedOperation,
  History,
  Json,
  ListOperation,
  LoggedEvent,
  Operation,
  ReadAnswer,
  ReadOperation,
  Refused,
  RestoredDatabase,
  RestoredLog,
  StoppedStream,
  SkippedEvent,
  SumOperation,
  Unknown,
} from './history.ts';

interface Common {
  readonly token?: number;
  /** The operations whose tokens it carries beside that one. */
  readonly alsoTokens?: readonly number[];
  readonly isPartial?: boolean;
  readonly isShortened?: boolean;
  /** When it was sent and answered. Default: after everything before it. */
  readonly at?: readonly [invokedAt: number, completedAt: number | null];
}

export interface WriteOptions extends Common {
  readonly key?: string;
  readonly fingerprint?: string;
  readonly expected?: number;
  readonly appends?: number;
  readonly mayDoNothing?: boolean;
  /** Versions to put into the log for it. Default: the next one, if it is acknowledged. */
  readonly logs?: number;
  readonly saw?: Readonly<Record<string, number>>;
  /** The content of the resource after the event. */
  readonly content?: string;
  /** The stream that is named in the command. Default: the one written to. */
  readonly target?: string | null;
  readonly outcome?: Acknowledged | Refused | Unknown;
}

export interface Scenario {
  write(client: string, stream: string, options?: WriteOptions): number;
  read(
    client: string,
    stream: string,
    version: number,
    options?: Common & Partial<Pick<ReadAnswer, 'source' | 'content'>> & { atLeast?: number; readModel?: string },
  ): number;
  list(
    client: string,
    rows: Readonly<Record<string, number>>,
    options?: Common & { kind?: 'list' | 'search'; readModel?: string; query?: Json; incomplete?: readonly string[] },
  ): number;
  sum(
    client: string,
    figures: Readonly<Record<string, number>>,
    options?: Common & { growing?: readonly string[]; incomplete?: readonly string[] },
  ): number;
  /** A poll of the feed that shows events of these streams, each from the first to the second version. */
  feed(
    client: string,
    shown: readonly (readonly [stream: string, from: number, to: number])[],
    options?: Common & {
      after?: number;
      isEnd?: boolean;
      isLast?: boolean;
      incomplete?: readonly string[];
      idOf?: (stream: string, version: number) => string;
    },
  ): number;
  /** Sets a stream's log back to a version, which loses the later events. `isAnnounced`: all Workers know it at once. */
  restore(stream: string, to: number, options?: { readonly isAnnounced?: boolean }): void;
  /** The database of a read model is set back. */
  restoreDatabase(readModel: string): void;
  /** A read model stops a stream, since its log was set back; until it is put right, where that ever happens. */
  stop(readModel: string, stream: string): { putRight(): void };
  /** Changes the recorded history, as a bug would. */
  history(change?: {
    readonly log?: (log: Record<string, LoggedEvent[]>) => void;
    readonly skipped?: readonly SkippedEvent[];
    readonly append?: readonly Operation[];
  }): History;
}

export const refused = (code: string, currentVersion: number | null = null): Refused => ({
  kind: 'refused',
  code,
  currentVersion,
});

export const unanswered: Unknown = { kind: 'unknown', code: null };

/** Writes a history down step by step: operations in the order in which they are made, numbered from 1, and the log that goes with them. */
export function scenario(): Scenario {
  const operations: Operation[] = [];
  const log: Record<string, LoggedEvent[]> = {};
  const restored = {
    logs: [] as RestoredLog[],
    databases: [] as RestoredDatabase[],
    stopped: [] as { -readonly [Field in keyof StoppedStream]: StoppedStream[Field] }[],
  };
  let now = 0;

  /** The id of the event that is at a version now. Others may have been there before. */
  function idOf(stream: string, version: number): string {
    const logs = restored.logs.filter((each) => each.stream === stream && each.to < version);
    return `${nameOf(stream, version)}${"'".repeat(logs.length)}`;
  }

  function sent(client: string, { token, alsoTokens, isPartial = false, isShortened, at }: Common) {
    const [invokedAt, completedAt] = at ?? [(now += 1), (now += 1)];
    now = Math.max(now, invokedAt, completedAt ?? 0);
    const tokenFrom = token ?? null;
    const shortened = isShortened === undefined ? {} : { isShortened };
    const also = alsoTokens === undefined ? {} : { tokensAlsoFrom: alsoTokens };
    return { id: operations.length + 1, client, invokedAt, completedAt, tokenFrom, ...also, isPartial, ...shortened };
  }

  function add(operation: CommandOperation | ReadOperation | ListOperation | SumOperation | FeedOperation): number {
    operations.push(operation);
    return operation.id;
  }

  return {
    write(client, stream, options = {}) {
      const {
        key,
        fingerprint = 'body',
        expected = null,
        appends = 1,
        saw = {},
        content,
        target = stream,
        outcome,
      } = options;
      const common = sent(client, options);
      const correlationId = `attempt-${common.id}`;
      const events = (log[stream] ??= []);
      const logs = options.logs ?? (outcome === undefined ? appends : 0);
      for (let count = 0; count < logs; count += 1) {
        const version = events.length + 1;
        events.push({
          id: idOf(stream, version),
          version,
          correlationId,
          recordedAt: String(version).padStart(6, '0'),
          saw,
          ...(content !== undefined && { content }),
        });
      }
      return add({
        ...common,
        kind: 'command',
        command: 'Write',
        correlationId,
        stream: target,
        appends,
        ...(options.mayDoNothing && { mayDoNothing: true }),
        idempotency: key === undefined ? null : { scope: 'Write', key },
        fingerprint,
        expectedVersion: expected,
        outcome: outcome ?? { kind: 'acknowledged', stream, version: events.length },
      });
    },
    read(client, stream, version, options = {}) {
      const { source = 'read-model', content = null, atLeast = null, readModel = 'lookup' } = options;
      const outcome = { kind: 'resource', version, source, content } as const;
      return add({ ...sent(client, options), kind: 'read', readModel, stream, atLeast, outcome });
    },
    list(client, rows, options = {}) {
      const { kind = 'list', readModel = 'lookup', query = 'all', incomplete = [] } = options;
      const shown = Object.entries(rows).map(([stream, version]) => ({ stream, version, content: null }));
      const outcome = { kind: 'rows', rows: shown, incomplete } as const;
      return add({ ...sent(client, options), kind, readModel, categories: ['order'], query, outcome });
    },
    sum(client, figures, options = {}) {
      const { growing = [], incomplete = [] } = options;
      const texts = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)]));
      const outcome = { kind: 'figures', figures: texts, growing, incomplete } as const;
      return add({
        ...sent(client, options),
        kind: 'sum',
        readModel: 'sums',
        categories: ['order'],
        query: null,
        outcome,
      });
    },
    feed(client, shown, options = {}) {
      const { after = null, isEnd = false, isLast = false, incomplete = [], idOf: named = nameOf } = options;
      const events = shown.flatMap(([stream, from, to]) =>
        Array.from({ length: to - from + 1 }, (_, index) => {
          return { id: named(stream, from + index), stream, version: from + index };
        }),
      );
      const outcome = { kind: 'events', events, isEnd, incomplete } as const;
      const cursorFrom = after;
      return add({ ...sent(client, options), kind: 'feed', readModel: 'archive', cursorFrom, isLast, outcome });
    },
    restore(stream, to, { isAnnounced = true } = {}) {
      const lost = log[stream]?.splice(to) ?? [];
      const at = (now += 1);
      restored.logs.push({ stream, at, announcedAt: isAnnounced ? at : Infinity, to, lost });
    },
    restoreDatabase(readModel) {
      const at = (now += 1);
      restored.databases.push({ readModels: [readModel], at, announcedAt: at });
    },
    stop(readModel, stream) {
      const stopped = { readModel, stream, from: (now += 1), until: null as number | null };
      restored.stopped.push(stopped);
      return { putRight: () => void (stopped.until = now += 1) };
    },
    history({ log: change, skipped = [], append = [] } = {}) {
      const history = structuredClone({ operations: [...operations, ...append], log, skipped, restored });
      change?.(history.log);
      return history;
    },
  };
}

function nameOf(stream: string, version: number): string {
  return `${stream}@${version}`;
}
