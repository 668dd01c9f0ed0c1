import { describe, expect, it } from 'vitest';

import { type Headers, asOperator, eventsOf, get, json, withToken, asNobody } from '../support/api.ts';
import { addTo, openTally, talliedBy } from '../support/tallies.ts';
import { type CloudEvent, endOfFeed, page, readFrom } from '../support/feed.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';
import { resetTo0 } from '../support/system.ts';

const kinds = (events: readonly CloudEvent[]) =>
  events.map(({ source, streamversion, type }) => `${source} ${streamversion} ${type}`);

describe('GET /events', () => {
  it('shows a write to each client with its token, although no message was delivered', async () => {
    const from = await endOfFeed();
    const tally = await talliedBy(3, 4);
    const { items } = await page(`after=${from}&limit=100`, withToken(tally.answer));
    expect(kinds(items.filter(({ source }) => source === `/streams/${tally.stream}`))).toEqual([
      `/streams/${tally.stream} 1 Added`,
      `/streams/${tally.stream} 2 Added`,
    ]);
  });

  it('gives events as CloudEvents 1.0', async () => {
    const from = await endOfFeed();
    const { answer, tallyId, stream } = await openTally(3, { 'X-Correlation-Id': 'c-7' });
    const [event] = (await page(`after=${from}`, withToken(answer))).items;
    expect(Object.keys(event ?? {}).toSorted()).toEqual([
      'actor',
      'causationid',
      'correlationid',
      'data',
      'datacontenttype',
      'id',
      'schemaversion',
      'source',
      'specversion',
      'streamversion',
      'subject',
      'time',
      'type',
    ]);
    const [logged] = await eventsOf(stream);
    expect(event).toMatchObject({
      specversion: '1.0',
      source: `/streams/${stream}`,
      subject: tallyId,
      type: 'Added',
      datacontenttype: 'application/json',
      streamversion: 1,
      schemaversion: 1,
      correlationid: 'c-7',
      actor: 'operator:operator',
    });
    expect(event?.data).toEqual(logged?.data);
    // Attributes of CloudEvents are lower-case letters and digits, and `source` leads to the stream.
    for (const name of Object.keys(event ?? {})) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
    expect((await get(`${event?.source}/events`, asOperator)).status).toBe(200);
  });

  it('has pages of `limit`, without a double or a gap, and a stable cursor at the end', async () => {
    const from = await endOfFeed();
    const { answer, stream } = await talliedBy(1, 2, 3);
    for (const limit of [1, 2, 100]) {
      const events = await readFrom(from, `limit=${limit}`, withToken(answer));
      const versions = events.filter(({ source }) => source.endsWith(stream)).map((event) => event.streamversion);
      expect(versions).toEqual([1, 2, 3]);
      expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    }
    const end = await endOfFeed();
    expect(await page(`after=${end}`)).toEqual({ items: [], nextCursor: end });
    expect(await page(`after=${end}`)).toEqual({ items: [], nextCursor: end });
  });

  it('never repeats an event that its cursor covers', async () => {
    const { answer } = await talliedBy(1, 2);
    const first = await page('limit=2', withToken(answer));
    const second = await page(`limit=2&after=${first.nextCursor}`);
    expect([first.items.length, second.items.length]).toEqual([2, 2]);
    expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(4);
  });

  it('filters by type and by category, with a cursor that advances over the other events', async () => {
    const from = await endOfFeed();
    const { tallyId, stream } = await talliedBy(1, 2, 3, 4, 5, 6);
    await resetTo0(tallyId);
    await addTo(`/tallies/${tallyId}`, 7);
    await page(`after=${from}`, withToken(await get(`/tallies/${tallyId}`, { 'X-Version': '8' })));

    expect(kinds(await readFrom(from, 'limit=2&type=Reset'))).toEqual([`/streams/${stream} 7 Reset`]);
    const added = await readFrom(from, 'limit=4&category=tally&type=Added');
    expect(added.map(({ streamversion }) => streamversion)).toEqual([1, 2, 3, 4, 5, 6, 8]);

    for (const nothing of ['category=tally&type=Zeroed', 'type=Zeroed']) {
      const empty = await page(`${nothing}&after=${from}`);
      expect(empty.items).toEqual([]);
      expect(empty.nextCursor).not.toBe(from);
      // The place is the same one that an unfiltered reader gets to.
      expect(await page(`after=${empty.nextCursor}`)).toEqual({ items: [], nextCursor: empty.nextCursor });
    }
  });

  it('refuses an unknown type or category, and names the known ones', async () => {
    const detailsOf = async (query: string) => {
      const { errors } = await expectProblem(get(`/events?${query}`, asOperator), 400, 'invalid-field');
      return errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('\n');
    };
    for (const type of ['Nope', 'added', "'%20OR%201=1", 'constructor'])
      expect(await detailsOf(`type=${type}`)).toMatch(/^\/type: .*"Added".*"Reset"/);
    for (const category of ['tallies', 'Tally', '__proto__', 'archive'])
      expect(await detailsOf(`category=${category}`)).toMatch(/^\/category: .*"tally"/);
  });

  it('accepts a renamed type by its former name too', async () => {
    const from = await endOfFeed();
    for (const type of ['Reset', 'Zeroed'])
      expect((await page(`type=${type}&category=tally&after=${from}`)).items).toEqual([]);
  });

  it('misses nothing while others write, for a reader that follows `nextCursor`', async () => {
    const from = await endOfFeed();
    const tallies = await Promise.all(Array.from({ length: 4 }, () => openTally()));
    let isWriting = true;
    const changes = 12;
    async function write(path: string): Promise<void> {
      for (let by = 1; by <= changes; by += 1) {
        const answer = await addTo(path, by);
        // Reading with the token brings the event into the archive, beside the other writers' readers.
        await page('limit=1', withToken(answer));
      }
    }
    async function poll(): Promise<CloudEvent[]> {
      const events: CloudEvent[] = [];
      let cursor = from;
      for (let isLast = false; !isLast;) {
        // One more look after the writers have stopped.
        isLast = !isWriting;
        for (let isEmpty = false; !isEmpty;) {
          const next = await page(`limit=3&after=${cursor}`);
          events.push(...next.items);
          // Each written event once. A feed that repeats itself would never end.
          expect(events.length).toBeLessThanOrEqual(tallies.length * (changes + 1));
          isEmpty = next.items.length === 0;
          cursor = next.nextCursor;
        }
      }
      return events;
    }
    const writers = Promise.all(tallies.map(({ path }) => write(path))).finally(() => {
      isWriting = false;
    });
    const [events] = await Promise.all([poll(), writers]);
    for (const { stream } of tallies) {
      const versions = events
        .filter(({ source }) => source === `/streams/${stream}`)
        .map((event) => event.streamversion);
      expect(versions).toEqual(Array.from({ length: changes + 1 }, (_, index) => index + 1));
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  it.each<Headers>([asNobody, { Authorization: 'Bearer wrong' }])('is 401 with %j', async (headers) => {
    await expectProblem(get('/events', headers), 401, 'unauthorized');
  });

  it('refuses a cursor that it never gave out, and unknown parameters', async () => {
    const cursorOf = (...parts: readonly unknown[]) => btoa(JSON.stringify(parts)).replaceAll('=', '');
    const { nextCursor } = await json(get('/tallies?limit=1'));
    for (const cursor of [
      'x',
      '1',
      '%00',
      cursorOf('feed', '', '-1'),
      cursorOf('feed', '', '1.5'),
      cursorOf('feed', '', 'x'),
      cursorOf('feed', '', '1e3'),
      cursorOf('feed', '', '0x10'),
      cursorOf('feed', '', ''),
      cursorOf('feed', '', 1),
      cursorOf('listTallies', '', '1'),
      ...(nextCursor === null ? [] : [nextCursor as string]),
    ]) {
      await expectProblem(get(`/events?after=${cursor}`, asOperator), 400, 'invalid-cursor');
    }
    for (const limit of ['0', '101', 'x', '-1']) {
      expect(await expectInvalidFields(get(`/events?limit=${limit}`, asOperator))).toEqual(['/limit']);
    }
    expect(await expectInvalidFields(get('/events?cursor=x', asOperator))).toEqual(['/cursor']);
  });
});
