/**
 * A small client of the HTTP API for scripts: JSON in and out, and headers as plain values. The caller decides which answers it accepts.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { isLoopback } from '../src/tidemark/access/loopback.ts';

export const LOCAL_SERVER = 'http://localhost:8787';

/** The development key of `npm start` with every scope. */
const LOCAL_CREDENTIAL = 'dev-admin';

/** An answer. `body` is the parsed JSON, unchecked. */
export interface Answer<Body> {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
  /** `X-Version`: the version of the stream. */
  readonly version: number | undefined;
  /** `X-Causal-Token`: send it with the next request, so that the answer is not older than this one. */
  readonly token: string | undefined;
  readonly durationMs: number;
}

/** `application/problem+json` (RFC 9457). */
export interface ProblemBody {
  readonly code: string;
  readonly detail: string;
  readonly [member: string]: unknown;
}

export interface RequestOptions {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface CommandOptions extends RequestOptions {
  readonly idempotencyKey?: string;
}

export interface Api {
  readonly url: string;
  get<Body>(path: string, options?: RequestOptions): Promise<Answer<Body>>;
  post<Body>(path: string, body: unknown, options?: CommandOptions): Promise<Answer<Body>>;
  delete<Body>(path: string): Promise<Answer<Body>>;
}

/**
 * Tidemark gave no answer: no server listens, the connection broke, the timeout passed, or a proxy answered (Tidemark's own faults are always problem
 * documents). A command may still have been applied.
 */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/** An answer that the script did not expect. Its message is for a person. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';
  readonly answer: Answer<unknown>;

  constructor(answer: Answer<unknown>) {
    const { code, detail } = (answer.body ?? {}) as Partial<ProblemBody>;
    const reason = code === undefined ? '' : ` ${code}: ${detail ?? ''}`;
    super(`${answer.method} ${answer.path} answered ${answer.status}${reason}`);
    this.answer = answer;
  }
}

export interface ApiOptions {
  /** An API key, a JSON Web Token or the operations key. Default: for a server on this machine, its development key. */
  readonly credential?: string | undefined;
  readonly timeoutMs?: number;
}

export function apiClient(url: string, options: ApiOptions = {}): Api {
  const { timeoutMs = 30_000 } = options;
  const base = new URL(url).href.replace(/\/$/, '');
  const isGiven = options.credential !== undefined && options.credential !== '';
  const credential = isGiven ? options.credential : isLoopback(new URL(base).hostname) ? LOCAL_CREDENTIAL : undefined;
  const authorization = credential === undefined ? {} : { Authorization: `Bearer ${credential}` };

  async function request<Body>(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Answer<Body>> {
    const startedAt = performance.now();
    const init = { method, headers, signal: AbortSignal.timeout(timeoutMs), ...(body !== undefined && { body }) };
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${base}${path}`, init);
      text = await response.text();
    } catch (error) {
      throw new NoAnswerError(`${method} ${base}${path} got no answer: ${reasonOf(error)}`, { cause: error });
    }
    const isFromBetween =
      response.status >= 500 && !response.headers.get('Content-Type')?.startsWith('application/problem+json');
    if (isFromBetween)
      throw new NoAnswerError(`${method} ${base}${path} got ${response.status} from a proxy, not from Tidemark`);
    const version = response.headers.get('X-Version');
    return {
      method,
      path,
      status: response.status,
      headers: response.headers,
      body: parse(text) as Body,
      version: version === null ? undefined : Number(version),
      token: response.headers.get('X-Causal-Token') ?? undefined,
      durationMs: performance.now() - startedAt,
    };
  }

  return {
    url: base,
    get: (path, { token, headers } = {}) =>
      request('GET', path, { ...authorization, ...(token !== undefined && { 'X-Causal-Token': token }), ...headers }),
    post: (path, body, { token, idempotencyKey, headers } = {}) =>
      request(
        'POST',
        path,
        {
          ...authorization,
          'Content-Type': 'application/json',
          ...(token !== undefined && { 'X-Causal-Token': token }),
          ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }),
          ...headers,
        },
        JSON.stringify(body),
      ),
    delete: (path) => request('DELETE', path, { ...authorization }),
  };
}

/** Throws an error with a sentence for a person unless a working Tidemark answers there. */
export async function requireServer(api: Api): Promise<void> {
  let health: Answer<{ status?: string; reasons?: string[] } | undefined>;
  try {
    health = await api.get('/health');
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    throw new Error(`No server answers at ${api.url}: is \`npm start\` running?`, { cause: error });
  }
  const { status, reasons = [] } = health.body ?? {};
  if (health.status !== 200 || status === undefined) {
    throw new Error(`The server at ${api.url} is not Tidemark: GET /health answered ${health.status}.`);
  }
  if (reasons.some((reason) => reason.includes('CAUSAL_TOKEN_KEY'))) {
    throw new Error(`The server at ${api.url} cannot work: ${reasons.join('; ')}.`);
  }
}

export interface RetryOptions {
  /** How long to retry 503 and broken connections, in ms. */
  readonly patienceMs?: number;
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
  readonly onRetry?: () => void;
}

/**
 * Sends until an answer is not 503. Use it for reads, and for commands with an idempotency key: without a key, a retry may apply a command twice.
 */
export async function retrying<Body>(
  send: () => Promise<Answer<Body>>,
  options: RetryOptions = {},
): Promise<Answer<Body>> {
  const { patienceMs = 120_000, firstPauseMs = 100, maxPauseMs = 3_000, onRetry } = options;
  const giveUpAt = performance.now() + patienceMs;
  for (let attempt = 0; ; attempt += 1) {
    let retryAfterS = 0;
    try {
      const answer = await send();
      if (answer.status !== 503) return answer;
      if (performance.now() > giveUpAt) throw new UnexpectedAnswerError(answer);
      retryAfterS = Number(answer.headers.get('Retry-After') ?? 0);
    } catch (error) {
      if (!(error instanceof NoAnswerError) || performance.now() > giveUpAt) throw error;
    }
    onRetry?.();
    const backoffMs = Math.min(firstPauseMs * 2 ** attempt, maxPauseMs);
    await sleep(Math.max(backoffMs, retryAfterS * 1_000) * (0.75 + Math.random() / 2));
  }
}

/** Works on all items in order, `concurrency` of them at a time. */
export async function atOnce<Item>(
  concurrency: number,
  items: Iterable<Item>,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const queue = Iterator.from(items);
  async function worker(): Promise<void> {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value);
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
