import { exports } from 'cloudflare:workers';

import type { CommandIntent } from '../consistency/simulation/domain.ts';
import { declaredAnswers } from './declared-answers.ts';

export type Headers = Record<string, string>;

const ORIGIN = 'https://tidemark.test';
let declared: Promise<ReturnType<typeof declaredAnswers>> | undefined;

/**
 * A client of the HTTP API, as any other: it sees only what goes over the wire. An answer that the OpenAPI document does not declare is
 * an error, whichever test meets it.
 */
export async function request(method: string, path: string, headers: Headers = {}, body?: BodyInit): Promise<Response> {
  declared ??= exports.default
    .fetch(`${ORIGIN}/openapi.json`)
    .then(async (answer) => declaredAnswers(await answer.json()));
  const answer = await exports.default.fetch(`${ORIGIN}${path}`, {
    method,
    headers: withCredential(headers),
    ...(body !== undefined && { body }),
  });
  await (await declared).check({ method, path, body, answer });
  return answer;
}

export function get(path: string, headers: Headers = {}): Promise<Response> {
  return request('GET', path, headers);
}

export function post(path: string, body: unknown = {}, headers: Headers = {}): Promise<Response> {
  return request('POST', path, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(body));
}

/** Sends a command as a client of the simulation would. */
export function command(
  { method, path, body }: Pick<CommandIntent, 'method' | 'path' | 'body'>,
  headers: Headers = {},
): Promise<Response> {
  return request(method ?? 'POST', path, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(body));
}

/** The answer's JSON, for a test to look into. */
// oxlint-disable-next-line typescript/no-explicit-any -- whatever the server sent
export async function json(answer: Response | Promise<Response>): Promise<any> {
  return (await answer).json();
}

/** The token of an answer, as the header of the next request. */
export function withToken(answer: Response, more: Headers = {}): Headers {
  return { 'X-Causal-Token': answer.headers.get('X-Causal-Token') ?? '', ...more };
}

/** The header of the operator, who may do everything. A request without a header of its own has this one. */
export const asOperator: Headers = { Authorization: 'Bearer an-operations-key-for-tests-of-32-bytes' };

/** A request without a credential. */
export const asNobody: Headers = { Authorization: '' };

function withCredential(headers: Headers): Headers {
  const { Authorization, ...others } = { ...asOperator, ...headers };
  return Authorization === '' ? others : { ...others, Authorization: Authorization as string };
}

/** How many events a stream has, from the log itself. */
export async function eventsOf(stream: string): Promise<readonly { type: string; data: Record<string, unknown> }[]> {
  const { items } = await json(get(`/streams/${stream}/events?limit=100`, asOperator));
  return items;
}
