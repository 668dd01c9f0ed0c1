import type { Context, Next } from 'hono';
import * as z from 'zod/mini';

import { inSentences, invalidFields, parseFields } from './body.ts';
import { Problem } from './problem.ts';

/** Parses the path parameters by their schema. Throws `invalid-id`. */
export function parseParams<Schema extends z.ZodMiniObject>(c: Context, schema: Schema | undefined): z.output<Schema> {
  const params = c.req.param() as Record<string, string>;
  const parsed = schema?.safeParse(params);
  if (parsed && !parsed.success) {
    const wrong = Map.groupBy(parsed.error.issues, ({ path }) => String(path[0]));
    const faults = [...wrong].map(
      ([name, issues]) => `${name} in the path: ${inSentences(issues.map(({ message }) => message))}`,
    );
    throw new Problem('invalid-id', inSentences(faults), { parameters: [...wrong.keys()] });
  }
  return (parsed?.data ?? {}) as z.output<Schema>;
}

/**
 * Parses the query string by its schema. Throws `invalid-field`, also for a parameter that is unknown, empty, repeated or not in UTF-8: a wrong
 * filter must not return rows that the client did not ask for.
 */
export function parseQuery<Schema extends z.ZodMiniObject>(c: Context, schema: Schema): z.output<Schema> {
  // Most requests have none, and parsing a URL takes longer than all other checks of a route.
  const parameters = c.req.url.includes('?') ? parametersOf(new URL(c.req.url)) : [];
  const byName = Map.groupBy(parameters, ([name]) => name);
  const twice = [...byName].flatMap(([name, same]) => (same.length > 1 ? name : []));
  if (twice.length > 0) throw invalidFields(twice.map((name) => ({ path: [name], detail: 'Must not be repeated.' })));
  const empty = parameters.filter(([, value]) => value === '');
  if (empty.length > 0) throw invalidFields(empty.map(([name]) => ({ path: [name], detail: 'Must not be empty.' })));
  return parseFields(schema, Object.fromEntries(parameters));
}

/** The parameters of a URL, from `URLSearchParams`. It would read invalid UTF-8 as U+FFFD, which is another text, so invalid UTF-8 is refused. */
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

/** Refuses every query parameter, for a route that declares none. */
export async function refuseQuery(c: Context, next: Next): Promise<void> {
  parseQuery(c, NoQuery);
  await next();
}
