/**
 * A shop small enough to be obviously right: logs, read models that lag and catch up, older replicas, and tokens that are merged, capped and
 * confirmed. It makes random histories for tests of the checker, which must find nothing in them.
 */
import type { CheckOptions } from './checker.ts';
import type { History, LoggedEvent, Operation, Refused, Unknown } from './history.ts';

export interface ShopOptions {
  readonly seed: number;
  readonly steps: number;
  readonly clients?: number;
  readonly orders?: number;
}

const MODELS = ['lookup', 'report'] as const;
type Model = (typeof MODELS)[number];

interface Token {
  readonly streams: ReadonlyMap<string, number>;
  /** By read model: a commit of its database. */
  readonly bookmarks: ReadonlyMap<Model, number>;
  readonly isPartial: boolean;
}

const EMPTY: Token = { streams: new Map(), bookmarks: new Map(), isPartial: false };
const MAX_STREAMS = 4;
const MAX_VERSION = 7;

type Draft = { -readonly [Field in keyof Operation]: Operation[Field] } & Record<string, unknown>;

interface Client {
  readonly name: string;
  token: Token | undefined;
  tokenFrom: number | null;
  under:
    | { readonly draft: Draft; readonly sent: Token | undefined; got: Token | undefined; isDone: boolean }
    | undefined;
  /** A command whose outcome is unknown, to be sent again. */
  toRetry: Draft | undefined;
}

/** What `belongs` and `adds` have to be for the shop's histories. */
export const SHOP: CheckOptions = {
  belongs: ({ query }, _stream, version) => matches(query, version),
  adds: (_, _stream, version) => [
    {
      orders: version > 0 ? 1n : 0n,
      events: BigInt(version),
      open: matches('open', version) ? 1n : 0n,
    },
  ],
};

function matches(query: unknown, version: number): boolean {
  return version > 0 && (query === 'all' || version % 3 === 1);
}

export function playShop({ seed, steps, clients: count = 4, orders = 6 }: ShopOptions): History {
  const chance = chanceOf(seed);
  const log = new Map<string, LoggedEvent[]>();
  const keys = new Map<string, { readonly fingerprint: string; readonly stream: string; readonly version: number }>();
  const commits = new Map<Model, ReadonlyMap<string, number>[]>(MODELS.map((model) => [model, [new Map()]]));
  const poisoned = new Set<string>();
  const operations: Operation[] = [];
  const zombies: (() => void)[] = [];
  let now = 0;
  const clients = Array.from({ length: count }, (_, index): Client => ({
    name: `c${index + 1}`,
    token: undefined,
    tokenFrom: null,
    under: undefined,
    toRetry: undefined,
  }));

  const headOf = (stream: string): number => log.get(stream)?.length ?? 0;
  const latest = (model: Model): number => (commits.get(model)?.length ?? 1) - 1;
  const snapshot = (model: Model, commit: number) => commits.get(model)?.[commit] ?? new Map<string, number>();
  const anOrder = (): string => `order-${1 + chance.below(orders)}`;

  /** Moves a read model to a version of a stream, in a commit of its own. */
  function apply(model: Model, stream: string, version: number): void {
    const before = snapshot(model, latest(model));
    if (poisoned.has(`${model}/${stream}`) || version <= (before.get(stream) ?? 0)) return;
    commits.get(model)?.push(new Map(before).set(stream, version));
  }

  function merge(
    token: Token | undefined,
    model: Model | undefined,
    commit: number,
    stream?: string,
    version = 0,
  ): Token {
    const { streams, bookmarks, isPartial } = token ?? EMPTY;
    const merged = new Map(streams);
    if (stream !== undefined && version >= (merged.get(stream) ?? 1)) {
      merged.delete(stream);
      merged.set(stream, version);
    }
    const marks = new Map(bookmarks);
    if (model !== undefined) marks.set(model, Math.max(marks.get(model) ?? 0, commit));
    if (merged.size <= MAX_STREAMS) return { streams: merged, bookmarks: marks, isPartial };
    for (const [entry, seen] of merged) {
      const isConfirmed = MODELS.every((each) => (snapshot(each, latest(each)).get(entry) ?? 0) >= seen);
      if (entry.startsWith('order-') && isConfirmed) merged.delete(entry);
    }
    for (const each of MODELS) marks.set(each, latest(each));
    const [oldest] = merged.keys();
    if (merged.size <= MAX_STREAMS || oldest === undefined) return { streams: merged, bookmarks: marks, isPartial };
    merged.delete(oldest);
    return { streams: merged, bookmarks: marks, isPartial: true };
  }

  function execute(draft: Draft, sent: Token | undefined): Token | undefined {
    const { stream, idempotency, fingerprint, expectedVersion, correlationId } = draft as Draft & {
      stream: string;
      idempotency: { key: string } | null;
      fingerprint: string;
      expectedVersion: number | null;
      correlationId: string;
    };
    const before = idempotency === null ? undefined : keys.get(idempotency.key);
    if (before) {
      if (before.fingerprint !== fingerprint) {
        draft.outcome = refusal('key-reused');
        return merge(sent, undefined, 0);
      }
      draft.outcome = { kind: 'acknowledged', stream: before.stream, version: before.version };
      return merge(sent, undefined, 0, before.stream, before.version);
    }
    const head = headOf(stream);
    if (chance.below(20) === 0) {
      draft.outcome = refusal('overloaded');
      return merge(sent, undefined, 0);
    }
    if (expectedVersion !== null && expectedVersion !== head) {
      draft.outcome = refusal('version-mismatch', head);
      return merge(sent, undefined, 0, head > 0 ? stream : undefined, head);
    }
    if (head >= MAX_VERSION) {
      draft.outcome = refusal('wrong-state');
      return merge(sent, undefined, 0);
    }
    const version = head + 1;
    const events = log.get(stream) ?? [];
    log.set(stream, events);
    events.push({
      id: `${stream}@${version}`,
      version,
      correlationId,
      recordedAt: String(now).padStart(9, '0'),
      saw: stream.startsWith('order-') && version === 1 ? { 'product-1': headOf('product-1') } : {},
    });
    if (idempotency !== null) keys.set(idempotency.key, { fingerprint, stream, version });
    draft.outcome = { kind: 'acknowledged', stream, version };
    return merge(sent, undefined, 0, stream, version);
  }

  function query(draft: Draft, sent: Token | undefined): Token | undefined {
    const model = draft['readModel'] as Model;
    const ofOne = draft.kind === 'read' ? (draft['stream'] as string) : undefined;
    const atLeast = (draft['atLeast'] as number | null | undefined) ?? null;
    const wanted = [...(sent?.streams ?? [])].filter(([stream]) =>
      ofOne === undefined ? stream.startsWith('order-') : stream === ofOne,
    );
    const isBehind = (at: number): boolean =>
      wanted.some(([stream, seen]) => (snapshot(model, at).get(stream) ?? 0) < seen);
    const bookmark = sent === undefined ? 0 : (sent.bookmarks.get(model) ?? latest(model));
    let commit = bookmark + chance.below(latest(model) - bookmark + 1);
    if (isBehind(commit)) commit = latest(model);
    if (isBehind(commit)) {
      if (chance.below(6) === 0) {
        draft.outcome = refusal('projection-behind');
        return merge(sent, undefined, 0);
      }
      for (const [stream, seen] of wanted) apply(model, stream, Math.max(seen, headOf(stream) - chance.below(2)));
      commit = latest(model);
    }
    const held = wanted.flatMap(([stream, seen]) =>
      (snapshot(model, commit).get(stream) ?? 0) < seen ? [stream] : [],
    );
    const versions = snapshot(model, commit);
    const rows = [...versions].map(([stream, version]) => ({ stream, version, content: `${stream}@${version}` }));
    if (ofOne !== undefined) {
      const version = versions.get(ofOne) ?? 0;
      if (held.length > 0) {
        draft.outcome = refusal('projection-dead-letter');
        return merge(sent, undefined, 0);
      }
      if (atLeast !== null && version < atLeast) {
        const head = headOf(ofOne);
        draft.outcome =
          head < atLeast
            ? refusal('version-ahead')
            : { kind: 'resource', version: head, source: 'write-store', content: `${ofOne}@${head}` };
        return head < atLeast ? merge(sent, undefined, 0) : merge(sent, model, commit, ofOne, head);
      }
      draft.outcome = {
        kind: 'resource',
        version,
        source: 'read-model',
        content: version > 0 ? `${ofOne}@${version}` : null,
      };
      return merge(sent, model, commit, version > 0 ? ofOne : undefined, version);
    }
    if (draft.kind === 'sum') {
      const totals = { orders: rows.length, events: 0, open: 0 };
      for (const { version } of rows) {
        totals.events += version;
        totals.open += matches('open', version) ? 1 : 0;
      }
      const figures = Object.fromEntries(Object.entries(totals).map(([name, total]) => [name, String(total)]));
      draft.outcome = { kind: 'figures', figures, growing: ['orders', 'events'], incomplete: held };
    } else {
      const shown = rows.filter(({ version }) => matches(draft['query'], version));
      draft.outcome = { kind: 'rows', rows: shown, incomplete: held };
    }
    return merge(sent, model, commit);
  }

  function newCommand(client: Client): Draft {
    if (client.toRetry && chance.below(3) > 0) {
      const again = client.toRetry;
      client.toRetry = undefined;
      return { ...again };
    }
    const stream = chance.below(5) === 0 ? 'product-1' : anOrder();
    const key = `${client.name}-${now}`;
    // Now and then the same key as some time before, with another body.
    const reused = chance.below(30) === 0 ? [...keys.keys()][0] : undefined;
    return {
      kind: 'command',
      command: 'Write',
      stream,
      appends: 1,
      idempotency: chance.below(4) > 0 ? { scope: 'Write', key: reused ?? key } : null,
      fingerprint: reused === undefined ? 'body' : `other-${now}`,
      expectedVersion: chance.below(4) === 0 ? Math.max(0, headOf(stream) - chance.below(2)) : null,
    } as unknown as Draft;
  }

  function newQuery(): Draft {
    const readModel = chance.of(MODELS);
    const kind = chance.of(['read', 'read', 'list', 'sum'] as const);
    const atLeast = chance.below(5) === 0 ? 1 + chance.below(4) : null;
    if (kind === 'read') return { kind, readModel, stream: anOrder(), atLeast } as unknown as Draft;
    return {
      kind,
      readModel,
      categories: ['order'],
      query: kind === 'sum' ? null : chance.of(['all', 'open']),
    } as unknown as Draft;
  }

  function invoke(client: Client): void {
    // Tokens are passed on, and lost, now and then.
    if (chance.below(10) === 0) {
      const { token, tokenFrom } = chance.of(clients);
      Object.assign(client, { token, tokenFrom });
    }
    if (chance.below(40) === 0) Object.assign(client, { token: undefined, tokenFrom: null });
    const draft = chance.below(5) < 2 ? newCommand(client) : newQuery();
    const id = operations.length + 1;
    const common = { id, client: client.name, invokedAt: now, completedAt: null, tokenFrom: client.tokenFrom };
    Object.assign(draft, common, { isPartial: false, outcome: { kind: 'unknown', code: null } satisfies Unknown });
    if (draft.kind === 'command') Object.assign(draft, { correlationId: `attempt-${id}` });
    operations.push(draft as unknown as Operation);
    client.under = { draft, sent: client.token, got: undefined, isDone: false };
  }

  function take(under: NonNullable<Client['under']>): void {
    under.got = under.draft.kind === 'command' ? execute(under.draft, under.sent) : query(under.draft, under.sent);
    under.isDone = true;
  }

  function end(client: Client, under: NonNullable<Client['under']>): void {
    client.under = undefined;
    const { draft } = under;
    if (!under.isDone || chance.below(12) === 0) {
      // The answer, or the request itself, is lost or late.
      const late = { ...draft } as Draft;
      if (!under.isDone && draft.kind === 'command') zombies.push(() => void execute(late, under.sent));
      draft.outcome = { kind: 'unknown', code: null };
      if (draft.kind === 'command' && draft['idempotency'] !== null) client.toRetry = draft;
      return;
    }
    draft.completedAt = now;
    draft.isPartial = under.got?.isPartial ?? false;
    client.token = under.got;
    client.tokenFrom = draft.id;
    // Some send a command again although it was answered.
    const isAcknowledged = draft.outcome.kind === 'acknowledged';
    if (isAcknowledged && draft['idempotency'] !== null && chance.below(6) === 0) client.toRetry = draft;
  }

  for (let step = 0; step < steps; step += 1) {
    now += 1;
    const client = chance.of(clients);
    const { under } = client;
    if (!under) invoke(client);
    else if (!under.isDone && chance.below(15) > 0) take(under);
    else end(client, under);
    if (chance.below(3) === 0) {
      const [model, stream] = [chance.of(MODELS), anOrder()];
      apply(model, stream, headOf(stream) - chance.below(2));
    }
    if (chance.below(10) === 0) zombies.shift()?.();
    if (poisoned.size === 0 && chance.below(400) === 0) poisoned.add(`${chance.of(MODELS)}/${anOrder()}`);
  }
  for (const { under } of clients) {
    if (under) under.draft.outcome = { kind: 'unknown', code: null };
  }
  return structuredClone({ operations, log: Object.fromEntries(log), skipped: [] });
}

function refusal(code: string, currentVersion: number | null = null): Refused {
  return { kind: 'refused', code, currentVersion };
}

export interface Chance {
  /** An integer from 0 to `below` - 1. */
  below(below: number): number;
  of<Value>(values: readonly Value[]): Value;
}

/** Chance that a seed decides: splitmix32. */
export function chanceOf(seed: number): Chance {
  let state = seed | 0;
  function below(limit: number): number {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * limit);
  }
  return { below, of: (values) => values[below(values.length)] as never };
}
