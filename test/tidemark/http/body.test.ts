import { describe, expect, it } from 'vitest';

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
