import type { Context } from 'hono';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { parseFields } from '../../../src/tidemark/http/body.ts';
import { parseParams } from '../../../src/tidemark/http/params.ts';
import { request } from '../../support/api.ts';
import { expectProblem } from '../../support/problem.ts';

describe('the type of a body', () => {
  it.each([
    'application/merge-patch+json',
    'application/json-patch+json',
    'application/vnd.tally+json',
    'text/plain',
    '',
  ])('is refused with 415, since no route means it: "%s"', async (type) => {
    await expectProblem(request('POST', '/tallies', { 'Content-Type': type }, '{"by":3}'), 415, 'not-json');
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON ;profile="x"'])(
    'is JSON, perhaps with parameters: "%s"',
    async (type) => {
      const answer = await request('POST', '/tallies', { 'Content-Type': type }, '{"by":3}');
      expect(answer.status).toBe(201);
    },
  );
});

describe('several faults of one field', () => {
  const schema = z.strictObject({
    place: z
      .string()
      .check(z.minLength(3), z.regex(/^[a-z]+$/, 'Must be lower-case letters.'), z.regex(/^a/, 'Must begin with a')),
  });
  const sentences = 'Too small: expected string to have >=3 characters. Must be lower-case letters. Must begin with a.';

  it('are sentences of their own', () => {
    expect(() => parseFields(schema, { place: 'B7' })).toThrow(
      expect.objectContaining({
        message: `/place: ${sentences}`,
        details: { errors: [{ pointer: '/place', detail: sentences }] },
      }),
    );
    expect(() => parseFields(schema, { place: 'abc', x: 1 })).toThrow('/x: There is no such field.');
  });

  it('are sentences of their own in a path too', () => {
    const c = { req: { param: () => ({ place: 'B7' }) } } as unknown as Context;
    expect(() => parseParams(c, schema)).toThrow(`place in the path: ${sentences}`);
  });
});
