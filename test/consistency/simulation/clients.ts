import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';

import type { Env } from '../../../src/bindings.ts';
import { type TokenCodec } from '../../../src/eventsourcing/read/token-codec.ts';
import { seededRandom } from '../../../src/eventsourcing/testing/seeded-random.ts';
import type { CommandOperation, Operation, Refused, Unknown } from '../history.ts';
import {
  type Chance,
  type CommandIntent,
  type DomainRun,
  type Generator,
  type Intent,
  type ListIntent,
  type ReadIntent,
  type SumIntent,
  canonical,
} from './domain.ts';
import { newTask } from './scheduler.ts';
import type { World } from './world.ts';

/** A Worker that serves: its bindings, and the clock it goes by. */
export interface Isolate {
  readonly place: string;
  readonly env: Env;
}

export interface ClientPorts {
  readonly world: World;
  readonly fetch: (request: Request, env: Env, context: ExecutionContext) => Promise<Response>;
  readonly isolates: () => readonly Isolate[];
  readonly codec: () => TokenCodec;
  readonly domain: DomainRun;
  readonly recorder: Recorder;
}

/** What clients sent and saw, in order, and the trace that two runs of one seed have to share. */
export class Recorder {
  readonly operations: Operation[] = [];
  readonly trace: string[] = [];
  #moment = 0;
  #ids = 0;

  moment(): number {
    this.#moment += 1;
    return this.#moment;
  }

  id(): number {
    this.#ids += 1;
    return this.#ids;
  }
}

interface HeldToken {
  readonly text: string;
  /** The operation whose answer brought it. */
  readonly from: number;
}

interface Attempt {
  readonly intent: CommandIntent;
  readonly key: string | null;
  readonly expectedVersion: number | null;
  tries: number;
}

/** An answer, taken apart; undefined: none ever came. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** The headers of an answer that mean something to a client. */
const TELLING = [
  'X-Version',
  'ETag',
  'X-Read-From',
  'X-Causal-Scope',
  'X-Causal-Incomplete',
  'Idempotency-Replayed',
  'Preference-Applied',
  'Retry-After',
  'Location',
];

/** One client of the HTTP API, with a session of its own: one thing after the other. */
export class Client {
  readonly name: string;
  isBusy = false;
  token: HeldToken | undefined;
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

  constructor(ports: ClientPorts, index: number) {
    this.name = `c${index}`;
    this.#ports = ports;
    const random = seededRandom(ports.world.mix.seed * 131 + index * 17 + 3);
    this.#chance = {
      ...random,
      pick: (items) => items[random.below(items.length)] as never,
      hot: (items) => {
        const isHot = random.next() < ports.world.mix.heat;
        return items[random.below(isHot ? Math.min(2, items.length) : items.length)] as never;
      },
    };
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
      if (other !== this && other.token) {
        this.token = other.token;
        this.#ports.world.count('token handed over');
      }
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

  #intent(): Intent | undefined {
    const { domain, world } = this.#ports;
    const makers = domain.generators.map((generator) => ({ generator, weight: world.mix.weight(generator.name) }));
    for (let tries = 0; tries < 10; tries += 1) {
      const intent = this.#weighted(makers)?.make(this.#chance);
      if (!intent) continue;
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
      key: hasKey ? `${this.name}-key-${this.#keys}` : null,
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
    await this.#send('POST', intent.path, headers, body, (sent, answer): CommandOperation => {
      const outcome = this.#outcomeOf(answer, (body_) => ({
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
        this.#ports.world.causeless.push(
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
    await this.#send('GET', intent.path, headers, undefined, (sent, answer): Operation => {
      const outcome = this.#outcomeOf(
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

  async #list(intent: ListIntent): Promise<void> {
    await this.#send('GET', intent.path, {}, undefined, (sent, answer): Operation => {
      const outcome = this.#outcomeOf(answer, (body) => {
        const rows = intent.rowsOf(body);
        this.#ports.world.count(rows.length > 0 ? `${intent.kind} with rows` : `${intent.kind} without rows`);
        return { kind: 'rows' as const, rows, incomplete: incompleteOf(answer) };
      });
      const { kind, readModel, categories, query } = intent;
      return { ...sent, kind, readModel, categories, query, outcome };
    });
  }

  async #sum(intent: SumIntent): Promise<void> {
    const query = intent.query(this.#ports.world.scheduler.now);
    await this.#send('GET', intent.path, {}, undefined, (sent, answer): Operation => {
      const outcome = this.#outcomeOf(answer, (body) => ({
        kind: 'figures' as const,
        ...intent.figuresOf(body),
        incomplete: incompleteOf(answer),
      }));
      const { readModel, categories } = intent;
      return { ...sent, kind: 'sum', readModel, categories, query, outcome };
    });
  }

  #outcomeOf<Seen>(
    answer: Answer | undefined,
    seen: (body: Record<string, unknown>) => Seen,
    missing?: Seen,
  ): Seen | Refused | Unknown {
    if (!answer) return { kind: 'unknown', code: null };
    const { status, body } = answer;
    if (status === 200 || status === 201) return seen(body);
    if (status === 202) return { kind: 'refused', code: 'not-yet', currentVersion: null };
    const code = String(body['code']);
    if (status === 404 && code === 'not-found' && missing) return missing;
    if (code === 'outcome-unknown' || code === 'internal') return { kind: 'unknown', code };
    const current = body['currentVersion'];
    return { kind: 'refused', code, currentVersion: typeof current === 'number' ? current : null };
  }

  #learn(stream: string, version: number): void {
    if (version > 0) this.#known.set(stream, version);
    this.#last = { stream, version };
  }

  async #send(
    method: string,
    path: string,
    more: Record<string, string>,
    body: string | undefined,
    record: (
      sent: Pick<Operation, 'id' | 'client' | 'invokedAt' | 'completedAt' | 'tokenFrom' | 'isPartial'> & {
        correlationId: string;
      },
      answer: Answer | undefined,
    ) => Operation,
  ): Promise<void> {
    const { world, isolates, fetch, recorder } = this.#ports;
    const chance = this.#chance;
    const all = isolates();
    const isolate = chance.pick(all);
    const id = recorder.id();
    const correlationId = `op-${id}`;
    const held = chance.next() < 0.95 ? this.token : undefined;
    const headers = {
      'X-Correlation-Id': correlationId,
      ...(held && { 'X-Causal-Token': held.text }),
      ...more,
    };
    const invokedAt = recorder.moment();
    const task = newTask(`${this.name} ${method} ${path}`, isolate.place);
    this.isBusy = true;

    const end = async (answer: Answer | undefined): Promise<void> => {
      const isPartial = answer?.headers.get('X-Causal-Scope') === 'partial';
      const token = answer?.headers.get('X-Causal-Token') ?? undefined;
      const completedAt = answer ? recorder.moment() : null;
      const sent = {
        id,
        client: this.name,
        invokedAt,
        completedAt,
        tokenFrom: held?.from ?? null,
        isPartial,
        correlationId,
      };
      recorder.operations.push(record(sent, answer));
      recorder.trace.push(`${id} ${method} ${path} ${await this.#traced(answer)}`);
      // A token that was refused comes back empty: with it, whatever it said is forgotten, and the session begins anew.
      if (answer?.body['code'] === 'invalid-causal-token') this.token = undefined;
      else if (token !== undefined) this.token = { text: token, from: id };
      this.isBusy = false;
    };

    if (world.happens('client.hangs-up')) world.killLater(task, () => void end(undefined));
    await world.scheduler.start(task, async () => {
      const context = createExecutionContext();
      const request = new Request(`https://tidemark.test${path}`, {
        method,
        headers,
        ...(body !== undefined && { body }),
      });
      const response = await fetch(request, isolate.env, context);
      const text = await response.text();
      if (task.isKilled) return;
      await end({
        status: response.status,
        headers: response.headers,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      });
      await waitOnExecutionContext(context);
    });
  }

  async #traced(answer: Answer | undefined): Promise<string> {
    if (!answer) return 'no answer';
    const token = answer.headers.get('X-Causal-Token');
    const decoded = token === null ? undefined : await this.#ports.codec().decode(token);
    const telling = TELLING.flatMap((name) => answer.headers.get(name) ?? []);
    const { streams, isShortened, isPartial } = decoded ?? { streams: new Map() };
    if (isShortened) this.#ports.world.count('token shortened');
    return canonical([answer.status, telling, [...streams], isShortened ?? false, isPartial ?? false, answer.body]);
  }
}

function incompleteOf(answer: Answer | undefined): readonly string[] {
  const header = answer?.headers.get('X-Causal-Incomplete');
  return header ? header.split(', ') : [];
}
