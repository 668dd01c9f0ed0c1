import { expect } from 'vitest';

/** The members of every problem document (RFC 9457 and the contract), and those that its code adds. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly instance: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly [member: string]: unknown;
}

/** Expects a problem with this status and code, and returns it. */
export async function expectProblem(
  answer: Response | Promise<Response>,
  status: number,
  code: string,
): Promise<ProblemDocument> {
  const received = await answer;
  const text = await received.clone().text();
  expect({ status: received.status, code: (JSON.parse(text) as ProblemDocument).code }, text).toEqual({ status, code });
  expect(received.headers.get('Content-Type')).toBe('application/problem+json');
  const problem = JSON.parse(text) as ProblemDocument;
  expect(problem).toMatchObject({ type: `/problems/${code}`, status, code });
  for (const member of [problem.title, problem.detail, problem.instance]) expect(member).toMatch(/./);
  return problem;
}

/** Expects a 400 `invalid-field`, and returns the JSON pointers of the invalid fields. */
export async function expectInvalidFields(answer: Response | Promise<Response>): Promise<readonly string[]> {
  const { errors = [] } = await expectProblem(answer, 400, 'invalid-field');
  return [...new Set(errors.map(({ pointer }) => pointer))];
}
