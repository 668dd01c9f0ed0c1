import type { CommandOperation, Operation } from '../history.ts';
import {
  type Chance,
  type CommandIntent,
  type Intent,
  type ListIntent,
  type ReadIntent,
  type SumIntent,
  canonical,
} from './domain.ts';
import { FeedReader } from './feed-reader.ts';
import { chanceOf, thinkUp } from './intents.ts';
import { type ClientPorts, Session, incompleteOf, outcomeOf } from './session.ts';

interface Attempt {
  readonly intent: CommandIntent;
  readonly key: string | null;
  readonly expectedVersion: number | null;
  tries: number;
}

/** How many events a poll of the feed asks for: with few, it is read in many pages. */
const FEED_LIMITS = [2, 5, 100];

/** One client of the HTTP API, with a session of its own: one thing after the other. */
export class Client {
  readonly feed: FeedReader;
  readonly #session: Session;
  readonly #ports: ClientPorts;
  readonly #chance: Chance;
  /** A command whose outcome is not known, to be sent again. */
  #unknown: Attempt | undefined;
  /** Its last command with a key that was acknowledged: what took the answer may have got lost behind it. */
  #latest: Attempt | undefined;
  /** The stream that it has just written or seen, to continue with it. */
  #lastStream: string | undefined;
  /** The latest version that it knows of each stream. */
  readonly #known = new Map<string, number>();
  #keys = 0;
  /** A list that it has not seen the end of. */
  #nextPage: ListIntent | undefined;

  constructor(ports: ClientPorts, index: number) {
    this.#ports = ports;
    this.#chance = chanceOf(ports.world.mix, index);
    this.#session = new Session(ports, `c${index}`, this.#chance);
    this.feed = new FeedReader(ports.world, this.#session);
  }

  get isBusy(): boolean {
    return this.#session.isBusy;
  }

  /** Whether it still owes a retry. */
  get owes(): boolean {
    return this.#unknown !== undefined && this.#unknown.tries < 4;
  }

  /** Makes it likelier that it does something with this stream next. */
  turnTo(stream: string): void {
    this.#lastStream = stream;
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
      this.#session.takeTokenOf(chance.pick(others).#session);
    }
    if (await this.#triesAToken()) return;
    const page = this.#nextPage;
    if (page && chance.next() < 0.7) {
      this.#ports.world.count('next page');
      await this.#list(page);
      return;
    }
    if (chance.next() < 0.08 * this.#ports.world.mix.weight('pollFeed')) {
      await this.feed.poll(chance.pick(FEED_LIMITS));
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

  #intent(isWanted?: (intent: Intent) => boolean): Intent | undefined {
    const { domain, world } = this.#ports;
    const { generators } = domain;
    return thinkUp({ generators, mix: world.mix, chance: this.#chance, latest: this.#lastStream }, isWanted);
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
    await this.#session.send(
      { method: intent.method ?? 'POST', path: intent.path, headers, body },
      (sent, answer): CommandOperation => {
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
        if (
          outcome.kind === 'refused' &&
          outcome.code === 'causal-token-ahead' &&
          this.#ports.world.setBacks.count === 0
        )
          this.#ports.world.verdicts.push(
            `a token that is ahead of its log (I15), and no log was ever restored: operation ${sent.id}`,
          );
        return {
          ...sent,
          kind: 'command',
          command: intent.command,
          stream: intent.stream,
          appends: 1,
          ...(intent.mayDoNothing && { mayDoNothing: true }),
          idempotency: key === null ? null : { scope: intent.scope, key },
          fingerprint: body,
          expectedVersion,
          outcome,
        };
      },
    );
  }

  async #read(intent: ReadIntent): Promise<void> {
    const known = this.#known.get(intent.stream);
    const chance = this.#chance;
    const atLeast = known !== undefined && chance.next() < 0.25 ? known + (chance.next() < 0.2 ? 1 : 0) : null;
    // A read model that is older than the wanted version says nothing. The write store does then.
    const absentIn: 'read-model' | 'write-store' = atLeast === null ? 'read-model' : 'write-store';
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
          source: absentIn,
          content: null as string | null,
        },
      );
      if (outcome.kind === 'resource') this.#learn(intent.stream, outcome.version);
      return { ...sent, kind: 'read', readModel: intent.readModel, stream: intent.stream, atLeast, outcome };
    });
  }

  #learn(stream: string, version: number): void {
    if (version > 0) this.#known.set(stream, version);
    this.#lastStream = stream;
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
}
