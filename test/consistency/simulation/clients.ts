import { seededRandom } from '../../../src/eventsourcing/testing/seeded-random.ts';
import type { CommandOperation, FeedOperation, Operation } from '../history.ts';
import {
  type Chance,
  type CommandIntent,
  type Generator,
  type Intent,
  type ListIntent,
  type ReadIntent,
  type SumIntent,
  canonical,
} from './domain.ts';
import { type ClientPorts, Session, incompleteOf, outcomeOf } from './session.ts';

interface Attempt {
  readonly intent: CommandIntent;
  readonly key: string | null;
  readonly expectedVersion: number | null;
  tries: number;
}

/** How many events a poll of the feed asks for: with few, it is read in many pages. */
const FEED_LIMITS = [2, 5, 100];
/** So that nobody polls for ever where the end never comes. */
const MAX_LAST_POLLS = 60;

/** One client of the HTTP API, with a session of its own: one thing after the other. */
export class Client {
  readonly #session: Session;
  readonly #ports: ClientPorts;
  readonly #chance: Chance;
  /** A command whose outcome is not known, to be sent again. */
  #unknown: Attempt | undefined;
  /** Its last command with a key that was acknowledged: what took the answer may have got lost behind it. */
  #latest: Attempt | undefined;
  /** What it has just written or seen, so that it goes on with that. */
  #last: { readonly stream: string; readonly version: number } | undefined;
  /** The latest version that it knows of each stream. */
  readonly #known = new Map<string, number>();
  #keys = 0;
  /** A list that it has not seen the end of. */
  #nextPage: ListIntent | undefined;
  /** How far it has read the feed: the cursor, and the poll that brought it. */
  #cursor: { readonly text: string; readonly from: number } | undefined;
  #polls = 0;
  #isAtEndOfFeed = false;

  constructor(ports: ClientPorts, index: number) {
    this.#ports = ports;
    const random = seededRandom(ports.world.mix.seed * 131 + index * 17 + 3);
    this.#chance = {
      ...random,
      pick: (items) => items[random.below(items.length)] as never,
      hot: (items) => {
        const isHot = random.next() < ports.world.mix.heat;
        const few = ports.world.mix.rates['aggregate.hot'] === undefined ? 2 : 1;
        return items[random.below(isHot ? Math.min(few, items.length) : items.length)] as never;
      },
    };
    this.#session = new Session(ports, `c${index}`, this.#chance);
  }

  get isBusy(): boolean {
    return this.#session.isBusy;
  }

  /** Whether it still owes a retry. */
  get owes(): boolean {
    return this.#unknown !== undefined && this.#unknown.tries < 4;
  }

  /** Does the next thing. `others`: whose token it might take up. */
  async act(others: readonly Client[]): Promise<void> {
    const chance = this.#chance;
    if (this.#unknown && this.owes && chance.next() < 0.85) {
      this.#ports.world.count('retried with its key');
      await this.#command(this.#unknown);
      return;
    }
    if (this.#latest && chance.next() < 0.06) {
      this.#ports.world.count('sent again although it was answered');
      await this.#command(this.#latest);
      return;
    }
    if (chance.next() < 0.08) {
      const other = chance.pick(others);
      if (other !== this && other.#session.token) {
        this.#session.token = other.#session.token;
        this.#ports.world.count('token handed over');
      }
    }
    if (await this.#triesAToken()) return;
    const page = this.#nextPage;
    if (page && chance.next() < 0.7) {
      this.#ports.world.count('next page');
      await this.#list(page);
      return;
    }
    if (chance.next() < 0.08 * this.#ports.world.mix.weight('pollFeed')) {
      await this.#poll(chance.pick(FEED_LIMITS), false);
      return;
    }
    const intent = this.#intent();
    if (!intent) return;
    switch (intent.kind) {
      case 'command':
        await this.#command(this.#attempt(intent));
        return;
      case 'read':
        await this.#read(intent);
        return;
      case 'sum':
        await this.#sum(intent);
        return;
      default:
        await this.#list(intent);
    }
  }

  /** Now and then it sends a token that it should not have. Whether it did. */
  async #triesAToken(): Promise<boolean> {
    const { world } = this.#ports;
    if (world.happens('token.of-a-retired-read-model')) await this.#session.ageToken();
    const isFuture = world.happens('token.of-the-future');
    if (!isFuture && !world.happens('token.of-another-key')) return false;
    const intent = this.#intent((candidate) => candidate.kind === 'read');
    if (intent?.kind !== 'read') return false;
    if (isFuture) await this.#session.tryFutureToken(intent.stream, intent.path);
    else await this.#session.tryForeignToken(intent.stream, intent.path);
    return true;
  }

  #intent(isWanted: (intent: Intent) => boolean = () => true): Intent | undefined {
    const { domain, world } = this.#ports;
    const makers = domain.generators.map((generator) => ({ generator, weight: world.mix.weight(generator.name) }));
    for (let tries = 0; tries < 10; tries += 1) {
      const intent = this.#weighted(makers)?.make(this.#chance);
      if (!intent || !isWanted(intent)) continue;
      // Half of the time it looks at, or goes on with, what it has just had to do with.
      const isStray = this.#last && 'stream' in intent && intent.stream !== this.#last.stream;
      if (isStray && intent.kind === 'read' && this.#chance.next() < 0.5) continue;
      return intent;
    }
    return undefined;
  }

  #weighted(makers: readonly { readonly generator: Generator; readonly weight: number }[]): Generator | undefined {
    let at = this.#chance.next() * makers.reduce((sum, { weight }) => sum + weight, 0);
    for (const { generator, weight } of makers) {
      at -= weight;
      if (at < 0) return generator;
    }
    return makers.at(-1)?.generator;
  }

  #attempt(intent: CommandIntent): Attempt {
    const chance = this.#chance;
    const known = intent.stream === null ? undefined : this.#known.get(intent.stream);
    const hasKey = chance.next() < 0.8;
    this.#keys += hasKey ? 1 : 0;
    const isConditional = known !== undefined && chance.next() < 0.3;
    const isStale = chance.next() < 0.2;
    return {
      intent,
      key: hasKey ? `${this.#session.name}-key-${this.#keys}` : null,
      expectedVersion: isConditional ? Math.max(isStale ? known - 1 : known, 1) : null,
      tries: 0,
    };
  }

  async #command(attempt: Attempt): Promise<void> {
    const { intent, key, expectedVersion } = attempt;
    const chance = this.#chance;
    attempt.tries += 1;
    const body = JSON.stringify(intent.body);
    const prefers = chance.next();
    const isTag = chance.next() < 0.5;
    const headers: Record<string, string> = {
      'Content-Type': 'application/json',
      ...(key !== null && { 'Idempotency-Key': key }),
      ...(expectedVersion !== null &&
        (isTag ? { 'If-Match': `"${expectedVersion}"` } : { 'X-Version': String(expectedVersion) })),
      ...(prefers < 0.1 ? { Prefer: 'wait=5' } : prefers < 0.2 ? { Prefer: 'return=representation' } : {}),
    };
    await this.#session.send({ method: 'POST', path: intent.path, headers, body }, (sent, answer): CommandOperation => {
      const outcome = outcomeOf(answer, (body_) => ({
        kind: 'acknowledged' as const,
        stream: intent.streamOf(body_),
        version: Number(answer?.headers.get('X-Version')),
      }));
      // Without a key a retry would be another command.
      this.#unknown = outcome.kind === 'unknown' && key !== null ? attempt : undefined;
      if (outcome.kind === 'acknowledged') {
        this.#learn(outcome.stream, outcome.version);
        intent.learn?.(answer?.body ?? {});
        this.#latest = key === null ? undefined : attempt;
        if (answer?.headers.get('Idempotency-Replayed')) this.#ports.world.count('outcome replayed');
      }
      if (outcome.kind === 'refused') this.#ports.world.count(`refused ${outcome.code}`);
      if (outcome.kind === 'refused' && outcome.code === 'causal-token-ahead')
        this.#ports.world.verdicts.push(
          `a token that is ahead of its log (I15), and no log was ever restored: operation ${sent.id}`,
        );
      return {
        ...sent,
        kind: 'command',
        command: intent.command,
        stream: intent.stream,
        appends: 1,
        idempotency: key === null ? null : { scope: intent.scope, key },
        fingerprint: body,
        expectedVersion,
        outcome,
      };
    });
  }

  async #read(intent: ReadIntent): Promise<void> {
    const known = this.#known.get(intent.stream);
    const chance = this.#chance;
    const atLeast = known !== undefined && chance.next() < 0.25 ? known + (chance.next() < 0.2 ? 1 : 0) : null;
    const isAsync = chance.next() < 0.1;
    const headers = {
      ...(atLeast !== null && { 'X-Version': String(atLeast) }),
      ...(isAsync && { Prefer: 'respond-async' }),
    };
    await this.#session.send({ method: 'GET', path: intent.path, headers }, (sent, answer): Operation => {
      const outcome = outcomeOf(
        answer,
        (body) => {
          const source: 'write-store' | 'read-model' =
            answer?.headers.get('X-Read-From') === 'write-store' ? 'write-store' : 'read-model';
          if (source === 'write-store') this.#ports.world.count('answered by the write store');
          return {
            kind: 'resource' as const,
            version: Number(answer?.headers.get('X-Version')),
            source,
            content: canonical(body),
          };
        },
        {
          kind: 'resource' as const,
          version: 0,
          source: 'read-model' as 'write-store' | 'read-model',
          content: null as string | null,
        },
      );
      if (outcome.kind === 'resource') this.#learn(intent.stream, outcome.version);
      return { ...sent, kind: 'read', readModel: intent.readModel, stream: intent.stream, atLeast, outcome };
    });
  }

  #learn(stream: string, version: number): void {
    if (version > 0) this.#known.set(stream, version);
    this.#last = { stream, version };
  }

  async #list(intent: ListIntent): Promise<void> {
    this.#nextPage = undefined;
    await this.#session.send({ method: 'GET', path: intent.path, headers: {} }, (sent, answer): Operation => {
      const { kind, readModel, categories } = intent;
      const outcome = outcomeOf(answer, (body) => {
        const rows = intent.rowsOf(body);
        this.#nextPage = intent.next?.(body);
        this.#ports.world.count(rows.length > 0 ? `${kind} with rows` : `${kind} without rows`);
        return { kind: 'rows' as const, rows, incomplete: incompleteOf(answer) };
      });
      // A page that was not answered is asked for again.
      if (outcome.kind !== 'rows' && intent.isLaterPage) this.#nextPage = intent;
      const query = outcome.kind === 'rows' ? intent.query(answer?.body ?? {}) : null;
      return { ...sent, kind, readModel, categories, query, outcome };
    });
  }

  async #sum(intent: SumIntent): Promise<void> {
    await this.#session.send({ method: 'GET', path: intent.path, headers: {} }, (sent, answer): Operation => {
      const outcome = outcomeOf(answer, (body) => ({
        kind: 'figures' as const,
        ...intent.figuresOf(body),
        incomplete: incompleteOf(answer),
      }));
      const query = outcome.kind === 'figures' ? intent.query(answer?.times ?? []) : null;
      const { readModel, categories } = intent;
      return { ...sent, kind: 'sum', readModel, categories, query, outcome };
    });
  }

  /** Goes on with the feed from where it was. `isLast`: all is quiet, so what does not come now never comes. */
  async #poll(limit: number, isLast: boolean): Promise<void> {
    const { world } = this.#ports;
    const cursor = this.#cursor;
    const path = `/events?limit=${limit}${cursor ? `&after=${encodeURIComponent(cursor.text)}` : ''}`;
    const headers = { Authorization: 'Bearer an-operations-key-for-tests' };
    this.#polls += 1;
    this.#isAtEndOfFeed = false;
    await this.#session.send({ method: 'GET', path, headers }, (sent, answer): FeedOperation => {
      const outcome = outcomeOf(answer, (body) => {
        const items = body['items'] as readonly { id: string; source: string; streamversion: number }[];
        const events = items.map(({ id, source, streamversion: version }) => {
          return { id, stream: source.replace('/streams/', ''), version };
        });
        this.#cursor = { text: String(body['nextCursor']), from: sent.id };
        this.#isAtEndOfFeed = events.length < limit;
        world.count(events.length > 0 ? 'feed with events' : 'feed without events');
        return { kind: 'events' as const, events, isEnd: this.#isAtEndOfFeed, incomplete: incompleteOf(answer) };
      });
      return { ...sent, kind: 'feed', readModel: 'archive', cursorFrom: cursor?.from ?? null, isLast, outcome };
    });
  }

  /** Reads the feed to its end, once all is quiet, where it has ever begun to. `settle` has the system do its part. */
  async finishFeed(settle: () => Promise<void>): Promise<void> {
    if (this.#polls === 0) return;
    this.#isAtEndOfFeed = false;
    for (let polls = 0; !this.#isAtEndOfFeed; polls += 1) {
      if (polls > MAX_LAST_POLLS) throw new Error('the end of the feed never comes');
      await this.#poll(100, true);
      while (this.isBusy) await settle();
    }
  }
}
