import type { Context, Next } from 'hono';
import * as z from 'zod/mini';

import { invalidFields, parseFields } from './body.ts';
import { Problem } from './problem.ts';

/** A path's parameters by their schema: ids that are none become `invalid-id`. */
export function parseParams<Schema extends z.ZodMiniObject>(c: Context, schema: Schema | undefined): z.output<Schema> {
  const params = c.req.param() as Record<string, string>;
  const parsed = schema?.safeParse(params);
  if (parsed && !parsed.success) {
    const wrong = new Map(parsed.error.issues.map(({ path, message }) => [String(path[0]), message]));
    const detail = [...wrong].map(([name, message]) => `${name} in the path: ${message}`).join(' ');
    throw new Problem('invalid-id', detail, { parameters: [...wrong.keys()] });
  }
  return (parsed?.data ?? {}) as z.output<Schema>;
}

/**
 * The query string by its schema. A parameter that does not exist is refused too, and one that is empty, or there twice, or in no UTF-8: a misspelt,
 * forgotten, doubled or broken filter must not return what nobody asked for.
 */
export function parseQuery<Schema extends z.ZodMiniObject>(c: Context, schema: Schema): z.output<Schema> {
  // Most requests have none, and parsing an address takes longer than all that a route checks.
  const parameters = c.req.url.includes('?') ? parametersOf(new URL(c.req.url)) : [];
  const byName = Map.groupBy(parameters, ([name]) => name);
  const twice = [...byName].flatMap(([name, same]) => (same.length > 1 ? name : []));
  if (twice.length > 0)
    throw invalidFields(twice.map((name) => ({ path: [name], detail: 'It is there more than once.' })));
  const empty = parameters.filter(([, value]) => value === '');
  if (empty.length > 0) throw invalidFields(empty.map(([name]) => ({ path: [name], detail: 'Must not be empty.' })));
  return parseFields(schema, Object.fromEntries(parameters));
}

/** The parameters of an address, as `URLSearchParams` has them. That reads what is not UTF-8 as U+FFFD, and so as another text: it is refused. */
function parametersOf({ search, searchParams }: URL): readonly (readonly [name: string, value: string])[] {
  if (!isDecodable(search)) {
    const broken = search
      .slice(1)
      .split('&')
      .filter((parameter) => !isDecodable(parameter));
    const names = broken.flatMap((parameter) => [...new URLSearchParams(parameter).keys()]);
    throw invalidFields(names.map((name) => ({ path: [name], detail: 'Must be percent-encoded UTF-8.' })));
  }
  return [...searchParams];
}

function isDecodable(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

const NoQuery = z.strictObject({});

/** For a route that declares no query parameters: refuses any. */
export async function refuseQuery(c: Context, next: Next): Promise<void> {
  parseQuery(c, NoQuery);
  await next();
}
