import { expect } from 'vitest';

import { type Headers, asOperator, get, json } from './api.ts';

export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly subject: string;
  readonly type: string;
  readonly streamversion: number;
  readonly schemaversion: number;
  readonly data: Record<string, unknown>;
}

export interface FeedPage {
  readonly items: readonly CloudEvent[];
  readonly nextCursor: string;
}

/** More than any test has events. A feed that repeats itself then fails the test instead of running for ever. */
const MAX_PAGES = 500;

/** One page of the feed, which has to be 200. */
export async function page(query: string, headers: Headers = {}): Promise<FeedPage> {
  const answer = await get(`/events?${query}`, { ...asOperator, ...headers });
  expect(answer.status).toBe(200);
  return json(answer);
}

/** Where the feed ends at the moment. */
export async function endOfFeed(headers: Headers = {}): Promise<string> {
  let { items, nextCursor } = await page('limit=100', headers);
  for (let pages = 1; items.length > 0; pages += 1) {
    expect(pages, 'pages until the feed ends').toBeLessThan(MAX_PAGES);
    ({ items, nextCursor } = await page(`limit=100&after=${nextCursor}`, headers));
  }
  return nextCursor;
}

/** Everything after a cursor, page by page; `headers` go with the first page, and so bring up what their token names. */
export async function readFrom(cursor: string, query: string, headers: Headers = {}): Promise<CloudEvent[]> {
  const events: CloudEvent[] = [];
  let next = await page(`${query}&after=${cursor}`, headers);
  for (let last = ''; last !== next.nextCursor; next = await page(`${query}&after=${last}`)) {
    events.push(...next.items);
    expect(events.length, 'events until the feed ends').toBeLessThan(MAX_PAGES);
    last = next.nextCursor;
  }
  return events;
}
