import { expect } from 'vitest';

import { asOperator, get, json, post, request } from './api.ts';
import { idleRunner } from './builds.ts';
import { ports } from './platform.ts';

/** Asks for a build of a projection, as an operator does. */
export function rebuild(name: string, query = ''): Promise<Response> {
  return post(`/projections/${name}/rebuild${query}`, {}, asOperator);
}

export function cancel(location: string): Promise<Response> {
  return request('DELETE', location, asOperator);
}

export async function stateAt(location: string): Promise<string> {
  return (await json(get(location, asOperator))).state;
}

/** A build without a running Workflow. */
export async function idleBuild(name: string, query = '') {
  const runner = idleRunner();
  ports.buildRunner = () => runner;
  const answer = await rebuild(name, query);
  const { id } = await json(answer.clone());
  return { id: id as string, location: answer.headers.get('Location') ?? '', answer, runner };
}

/** Waits until the Workflow of a build has done its work, and returns the state of the build. */
export async function waitFor(location: string): Promise<string> {
  await expect.poll(() => stateAt(location), { timeout: 20_000 }).not.toMatch(/building|comparing/);
  return stateAt(location);
}
