import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { type Headers, post } from './api.ts';

/** Opens a tally over HTTP. */
export async function openTally(by = 1, headers: Headers = {}) {
  const answer = await post('/tallies', { by }, headers);
  const { tallyId } = await answer.clone().json<{ tallyId: string }>();
  return { answer, tallyId, path: `/tallies/${tallyId}`, stream: `tally-${tallyId}` as StreamId };
}

/** Adds to a tally over HTTP. Adding 0 is refused. */
export function addTo(path: string, by = 1, headers: Headers = {}): Promise<Response> {
  return post(`${path}/additions`, { by }, headers);
}

/** A tally with one event for each of these numbers, and the answer to the last one. */
export async function talliedBy(first: number, ...more: readonly number[]) {
  const tally = await openTally(first);
  let { answer } = tally;
  for (const by of more) answer = await addTo(tally.path, by);
  return { ...tally, answer };
}
