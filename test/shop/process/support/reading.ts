/** Reads of a server: whole logs, whole lists, and resources beside the fold of their log. */
import assert from 'node:assert/strict';

import { type Answer, type Api, UnexpectedAnswerError, retrying } from '../../../../scripts/api-client.ts';
import { type LoggedEvent, type Resource, foldLog } from './fold.ts';

interface Page {
  readonly items: readonly Resource[];
  readonly nextCursor: string | null;
}

export function expectOk<Body>(answer: Answer<Body>): Answer<Body> {
  if (answer.status !== 200 && answer.status !== 201) throw new UnexpectedAnswerError(answer);
  return answer;
}

/** Every item of a list, and the answers that brought them. */
export async function readList(api: Api, path: string, token?: string) {
  const items: Resource[] = [];
  const answers: Answer<Page>[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const query = new URLSearchParams({ limit: '100', ...(cursor !== '' && { cursor }) });
    const url = `${path}${path.includes('?') ? '&' : '?'}${query}`;
    const page: Answer<Page> = expectOk(await api.get<Page>(url, { token: answers.at(-1)?.token ?? token }));
    answers.push(page);
    items.push(...page.body.items);
    cursor = page.body.nextCursor;
  }
  return { items, answers };
}

/** A stream's log, whole, checked for what every log promises; and a token that has seen its head. */
export async function readLog(
  api: Api,
  stream: string,
): Promise<{ events: readonly LoggedEvent[]; token: string | undefined }> {
  const { items, answers } = await readList(api, `/streams/${stream}/events`);
  const events = items as unknown as readonly LoggedEvent[];
  assert.deepEqual(
    events.map(({ version }) => version),
    events.map((_, index) => index + 1),
    `the versions of ${stream} are 1 to n`,
  );
  assert.equal(
    new Set(events.map(({ id }) => id)).size,
    events.length,
    `every event of ${stream} has an id of its own`,
  );
  const times = events.map(({ recordedAt }) => recordedAt);
  assert.deepEqual(times, times.toSorted(), `the times of ${stream} never go back`);
  return { events, token: answers.at(-1)?.token };
}

export function pathOf(stream: string): string {
  const [category, id] = [stream.slice(0, stream.indexOf('-')), stream.slice(stream.indexOf('-') + 1)];
  return `/${category}s/${id}`;
}

/**
 * Reads a stream's log and then its resource, once by a token that has seen the log's head and once by `X-Version`, and demands that both
 * equal the fold of the log. Returns that fold.
 */
export async function readAgainstLog(
  api: Api,
  stream: string,
): Promise<{ resource: Resource; events: readonly LoggedEvent[] }> {
  const { events, token } = await readLog(api, stream);
  const resource = foldLog(stream, events);
  const byToken = expectOk(await retrying(() => api.get<Resource>(pathOf(stream), { token })));
  assert.deepEqual(byToken.body, resource, `${stream} by token equals the fold of its log`);
  assert.equal(byToken.headers.get('X-Read-From'), 'read-model');
  const byVersion = expectOk(
    await retrying(() => api.get<Resource>(pathOf(stream), { headers: { 'X-Version': String(events.length) } })),
  );
  assert.deepEqual(byVersion.body, resource, `${stream} by version equals the fold of its log`);
  return { resource, events };
}
