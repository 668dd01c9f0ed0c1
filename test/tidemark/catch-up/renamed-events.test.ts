import { describe, expect, it } from 'vitest';

import { reporting } from '../../../src/groups.ts';
import { withFormerTypes } from '../../../src/tidemark/http/event-schemas.ts';
import { asOperator, get, json } from '../../support/api.ts';
import { boardOf } from '../../support/boards.ts';
import { type FeedPage, endOfFeed, readFrom } from '../../support/feed.ts';
import { deliver } from '../../support/queue.ts';
import { add, appendAsStored, newTally, resetTo0, system } from '../../support/system.ts';
import { tally, tallyType } from '../../support/tally.ts';

/** 5, set to 0 under the former name of that event, 3 more, and set to 0 again by this release. */
async function tallyWithBothNames() {
  const { tallyId, stream } = newTally();
  await add(tallyId, 5);
  await appendAsStored(stream, { type: 'Zeroed', schemaVersion: 1, data: {} });
  await add(tallyId, 3);
  await resetTo0(tallyId);
  return { tallyId, stream };
}

/** The request helpers compare every answer with the OpenAPI document. */
describe('an event whose type was renamed', () => {
  it('is understood by commands and read models under either name', async () => {
    const { tallyId, stream } = await tallyWithBothNames();
    expect(await system.aggregates.state(stream, { version: 2 })).toMatchObject({ state: { sum: 0 } });
    expect(await system.aggregates.state(stream, { version: 3 })).toMatchObject({ state: { sum: 3 } });
    const { events } = await system.aggregates.load(stream, 1, 3);
    await deliver([{ stream, fromVersion: 1, toVersion: 3, previousId: null, events }]);
    expect(await boardOf(tallyId)).toEqual({ version: 3, sum: 3 });
    await deliver([{ stream, fromVersion: 4, toVersion: 4 }]);
    expect(await boardOf(tallyId)).toEqual({ version: 4, sum: 0 });
  });

  it('is in the log as it was stored', async () => {
    const { stream } = await tallyWithBothNames();
    const { items } = await json(get(`/streams/${stream}/events`, asOperator));
    expect(items).toMatchObject([
      { type: 'Added' },
      { type: 'Zeroed', schemaVersion: 1, data: {} },
      { type: 'Added' },
      { type: 'Reset', schemaVersion: 3, data: { to: 0 } },
    ]);
  });

  it('is in the feed as it was stored, and the feed finds it by its stored name', async () => {
    const start = await endOfFeed();
    const { stream } = await tallyWithBothNames();
    await deliver([{ stream, fromVersion: 1, toVersion: 4 }], { group: reporting });
    const typesFor = async (query: string): Promise<FeedPage['items'][number]['type'][]> =>
      (await readFrom(start, query)).map(({ type }) => type);
    expect(await typesFor('limit=10')).toEqual(['Added', 'Zeroed', 'Added', 'Reset']);
    expect(await typesFor('limit=10&type=Zeroed')).toEqual(['Zeroed']);
    expect(await typesFor('limit=10&type=Reset')).toEqual(['Reset']);
  });

  it('has both names in the OpenAPI document, each with its own data', async () => {
    const { components } = await json(get('/openapi.json'));
    for (const id of ['StoredEvent', 'CloudEvent'])
      expect(components.schemas[id].discriminator.mapping).toMatchObject({
        Reset: `#/components/schemas/Reset${id}`,
        Zeroed: `#/components/schemas/Zeroed${id}`,
      });
    expect(Object.keys(components.schemas.Zeroed.properties)).toEqual([]);
    expect(Object.keys(components.schemas.Reset.properties)).toEqual(['to']);
  });

  it('needs a schema under its former name, or the Worker does not start', () => {
    const { Zeroed: _, ...lacking } = tally.events;
    expect(withFormerTypes(tallyType.events, tally.events)).toBe(tally.events);
    expect(() => withFormerTypes(tallyType.events, lacking)).toThrow('there is no schema of "Zeroed"');
  });
});
