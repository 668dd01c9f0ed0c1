import type { Context } from 'hono';
import type * as z from 'zod';

import { parseFields } from './body.ts';
import { Problem } from './problem.ts';

/** A path's parameters by their schema: ids that are none become `invalid-id`. */
export function parseParams<Schema extends z.ZodObject>(c: Context, schema: Schema | undefined): z.output<Schema> {
  const params = c.req.param() as Record<string, string>;
  const parsed = schema?.safeParse(params);
  if (parsed && !parsed.success) {
    const names = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
    throw new Problem('invalid-id', `${names.join(', ')} in the path is not an id: ids are lower-case UUIDs.`, {
      parameters: names,
    });
  }
  return (parsed?.data ?? {}) as z.output<Schema>;
}

/** The query string by its schema. A parameter that does not exist is refused too: a misspelt filter must not return everything. */
export function parseQuery<Schema extends z.ZodObject>(c: Context, schema: Schema | undefined): z.output<Schema> {
  return (schema ? parseFields(schema, c.req.query()) : {}) as z.output<Schema>;
}
