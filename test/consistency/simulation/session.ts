import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';

import type { Env } from '../../../src/bindings.ts';
import { EMPTY_TOKEN } from '../../../src/tidemark/queries/causal-token.ts';
import { type TokenCodec, tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { MAX_TOKENS } from '../../../src/tidemark/http/limits.ts';
import { secretOf, seenVersions } from '../../support/tokens.ts';
import type { Operation, Refused, Unknown } from '../history.ts';
import { type Chance, type DomainRun, canonical } from './domain.ts';
import type { Recorder } from './recorder.ts';
import { newTask } from './scheduler.ts';
import type { World } from './world.ts';

/** A Worker that serves: its bindings and its clock. */
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

interface HeldToken {
  readonly text: string;
  /** The operation whose answer brought it. */
  readonly from: number;
}

/** An answer, taken apart; undefined: none ever came. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  /** What the clock of its Worker showed: as the request came, and each time that it was looked at meanwhile. In ms. */
  readonly times: readonly number[];
}

export interface Sending {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Instead of the session's own: its answer is no part of the session then. */
  readonly forgedToken?: string;
}

/** What all operations have in common. */
export type Sent = Pick<
  Operation,
  'id' | 'client' | 'invokedAt' | 'completedAt' | 'tokenFrom' | 'tokensAlsoFrom' | 'isPartial'
> & {
  readonly correlationId: string;
};

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

/** How often a request carries its session's token. After a restore, a read model has to stop those too that have none. */
const HAS_TOKEN = 0.95;
const HAS_TOKEN_AFTER_RESTORE = 0.7;

/** Far beyond any version that a run reaches. */
const FUTURE = 1_000;

/** One client's session: the token that it carries from answer to request. One request at a time. */
export class Session {
  readonly name: string;
  isBusy = false;
  token: HeldToken | undefined;
  /** Tokens of other clients, which it sends with its own until an answer merges them. */
  #alsoTokens: readonly HeldToken[] = [];
  readonly #ports: ClientPorts;
  readonly #chance: Chance;

  constructor(ports: ClientPorts, name: string, chance: Chance) {
    this.name = name;
    this.#ports = ports;
    this.#chance = chance;
  }

  /** Sends a request, and resolves when it has come to its first gate. `record` is called with the answer, whenever that is. */
  async send(
    { method, path, headers, body, forgedToken }: Sending,
    record: (sent: Sent, answer: Answer | undefined) => Operation | undefined,
  ): Promise<void> {
    const { world, isolates, fetch, recorder } = this.#ports;
    const isolate = this.#chance.pick(isolates());
    const id = recorder.id();
    const correlationId = `op-${id}`;
    const hasToken = world.setBacks.logs.length > 0 ? HAS_TOKEN_AFTER_RESTORE : HAS_TOKEN;
    const held = forgedToken === undefined && this.#chance.next() < hasToken ? this.token : undefined;
    const also = held ? this.#alsoTokens : [];
    const tokenText = forgedToken ?? (held && [held, ...also].map(({ text }) => text).join(', '));
    const invokedAt = recorder.moment();
    const task = newTask(`${this.name} ${method} ${path}`, isolate.place);
    this.isBusy = true;

    let isOver = false;
    const end = async (answer: Answer | undefined): Promise<void> => {
      // The platform may tear the request away after its answer, while its Worker still applies events.
      if (isOver) return;
      isOver = true;
      const operation = record(
        {
          id,
          client: this.name,
          invokedAt,
          completedAt: answer ? recorder.moment() : null,
          tokenFrom: held?.from ?? null,
          ...(also.length > 0 && { tokensAlsoFrom: also.map(({ from }) => from) }),
          isPartial: answer?.headers.get('X-Causal-Scope') === 'partial',
          correlationId,
        },
        answer,
      );
      if (operation) recorder.operations.push(operation);
      const { text, isShortened } = await this.#traced(answer);
      if (operation && isShortened) Object.assign(operation, { isShortened } satisfies Partial<Operation>);
      recorder.trace.push(`${id} ${method} ${path} ${text}`);
      if (forgedToken === undefined) this.#takeUp(answer, id, also);
      this.isBusy = false;
    };

    if (world.happens('client.hangs-up')) world.killLater(task, () => void end(undefined));
    const cameAt = world.timeAt(isolate.place);
    await world.scheduler.start(task, async () => {
      const context = createExecutionContext();
      const request = new Request(`https://tidemark.test${path}`, {
        method,
        headers: {
          Authorization: 'Bearer an-operations-key-for-tests-of-32-bytes',
          'X-Correlation-Id': correlationId,
          ...(tokenText !== undefined && { 'X-Causal-Token': tokenText }),
          ...headers,
        },
        ...(body !== undefined && { body }),
      });
      const response = await fetch(request, isolate.env, context);
      const text = await response.text();
      if (task.isKilled) return;
      await end({
        status: response.status,
        headers: response.headers,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        times: [cameAt, ...task.times],
      });
      await waitOnExecutionContext(context);
    });
  }

  /** Takes the token of another session: in the place of its own, or to be sent beside it. */
  takeTokenOf(other: Session): void {
    if (!other.token || other === this) return;
    const isBeside = this.token !== undefined && this.#alsoTokens.length < MAX_TOKENS - 1 && this.#chance.next() < 0.5;
    if (isBeside) this.#alsoTokens = [...this.#alsoTokens, other.token];
    else this.token = other.token;
    this.#ports.world.count(isBeside ? 'token taken beside its own' : 'token handed over');
  }

  #begin(): void {
    this.token = undefined;
    this.#alsoTokens = [];
  }

  #takeUp(answer: Answer | undefined, id: number, also: readonly HeldToken[]): void {
    const token = answer?.headers.get('X-Causal-Token') ?? undefined;
    const code = answer?.body['code'];
    // The answer to a refused token has an empty one, so the session begins again without its knowledge.
    if (code === 'invalid-causal-token') this.#begin();
    // A client that is told that its past is lost begins anew, sooner or later.
    else if (code === 'causal-token-ahead' && (also.length > 0 || this.#chance.next() < 0.7)) this.#begin();
    else if (token !== undefined) {
      this.token = { text: token, from: id };
      this.#alsoTokens = this.#alsoTokens.filter((one) => !also.includes(one));
    }
  }

  async #traced(answer: Answer | undefined): Promise<{ readonly text: string; readonly isShortened?: boolean }> {
    if (!answer) return { text: 'no answer' };
    const token = answer.headers.get('X-Causal-Token');
    const decoded = token === null ? undefined : await this.#ports.codec().decode(token);
    const telling = TELLING.flatMap((name) => answer.headers.get(name) ?? []);
    const { streams, shortenedAt, partialAt } = decoded ?? { streams: new Map() };
    const isShortened = shortenedAt !== undefined;
    if (isShortened) this.#ports.world.count('token shortened');
    const told = [answer.status, telling, [...streams], shortenedAt ?? 0, partialAt ?? 0, answer.body];
    return { text: canonical(told), ...(isShortened && { isShortened }) };
  }

  // Tokens as no client should have them.

  /** A token with a later version of a stream than exists: every answer to it would show less than the token says. */
  async tryFutureToken(stream: string, path: string): Promise<void> {
    const { world, codec } = this.#ports;
    const streams = seenVersions({ [stream]: FUTURE });
    const forgedToken = await codec().encode({ ...EMPTY_TOKEN, streams });
    await this.send({ method: 'GET', path, headers: {}, forgedToken }, (sent, answer) => {
      if (answer) world.count(`a token of the future: ${String(answer.body['code'])}`);
      if (answer && answer.status < 400)
        world.verdicts.push(`a token beyond ${stream} was answered (I13): operation ${sent.id}, ${answer.status}`);
      return undefined;
    });
  }

  /** A token with a foreign signature. */
  async tryForeignToken(stream: string, path: string): Promise<void> {
    const { world } = this.#ports;
    const streams = seenVersions({ [stream]: 1 });
    const forgedToken = await tokenCodec([secretOf('a key of somebody else')]).encode({ ...EMPTY_TOKEN, streams });
    await this.send({ method: 'GET', path, headers: {}, forgedToken }, (sent, answer) => {
      if (answer && answer.body['code'] !== 'invalid-causal-token')
        world.verdicts.push(`a forged token was taken (I13): operation ${sent.id}, ${answer.status}`);
      return undefined;
    });
  }

  /** Its own token, as a deployment left it that had one database and one kind of stream more. */
  async ageToken(): Promise<void> {
    if (!this.token) return;
    const codec = this.#ports.codec();
    const token = await codec.decode(this.token.text);
    if (!token) return;
    const streams = new Map([...seenVersions({ 'retired-1': 3 }), ...token.streams]);
    const bookmarks = new Map([...token.bookmarks, ['retired', '0001']]);
    this.token = { ...this.token, text: await codec.encode({ ...token, streams, bookmarks }) };
  }
}

/** The outcome in an answer. `missing`: the meaning of 404, if 404 is an answer. */
export function outcomeOf<Seen>(
  answer: Answer | undefined,
  seen: (body: Record<string, unknown>) => Seen,
  missing?: Seen,
): Seen | Refused | Unknown {
  if (!answer) return { kind: 'unknown', code: null };
  const { status, body } = answer;
  if (status === 200 || status === 201) return seen(body);
  if (status === 202) return { kind: 'refused', code: 'not-yet', currentVersion: null };
  // A Worker from before the deployment does not have the route: it says nothing of the resource.
  const isNoRoute = status === 404 && String(body['detail']).startsWith('There is no route');
  const code = isNoRoute ? 'no-route' : String(body['code']);
  if (status === 404 && code === 'not-found' && missing) return missing;
  if (code === 'outcome-unknown' || code === 'internal') return { kind: 'unknown', code };
  const current = body['currentVersion'];
  return { kind: 'refused', code, currentVersion: typeof current === 'number' ? current : null };
}

export function incompleteOf(answer: Answer | undefined): readonly string[] {
  const header = answer?.headers.get('X-Causal-Incomplete');
  return header ? header.split(', ') : [];
}
