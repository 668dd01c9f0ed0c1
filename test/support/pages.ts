import { expect } from 'vitest';

import { modules } from '../worker.ts';
import { type Headers, get, json } from './api.ts';
import { idNameOf } from './examples.ts';

/** A row of any list, as JSON. */
// oxlint-disable-next-line typescript/no-explicit-any -- whatever the server sent
export type Item = Record<string, any>;

const ID_NAMES = modules.map(idNameOf);

/** What tells a row of a list from every other: its id, or the version of an event. */
function keyOf(item: Item): unknown {
  return ID_NAMES.map((name) => item[name] as unknown).find((id) => id !== undefined) ?? item['version'];
}

/** No test has a list of more pages. */
const MAX_PAGES = 100;

/**
 * Follows `nextCursor` from the first page of a list to its last, and yields the rows of each page. A row that comes a second time fails
 * the test: a cursor that includes its own row would be followed for ever.
 */
export async function* pagesOf(path: string, headers: Headers = {}): AsyncGenerator<readonly Item[]> {
  const seen = new Set<unknown>();
  let query = '';
  for (let count = 0; count < MAX_PAGES; count += 1) {
    const page = await json(get(`${path}${query}`, headers));
    expect(Object.keys(page)).toEqual(['items', 'nextCursor']);
    for (const key of (page.items as readonly Item[]).map(keyOf)) {
      expect(seen, `${path} shows a row twice`).not.toContain(key);
      seen.add(key);
    }
    yield page.items;
    if (page.nextCursor === null) return;
    query = `${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  expect.fail(`${path} has no last page`);
}

/** Every page of a list, after one another. */
export async function allPages(path: string, headers: Headers = {}): Promise<readonly (readonly Item[])[]> {
  const pages: (readonly Item[])[] = [];
  for await (const page of pagesOf(path, headers)) pages.push(page);
  return pages;
}
