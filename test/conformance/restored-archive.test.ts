import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { asOperator, eventsOf, get, json, withToken } from '../support/api.ts';
import { addTo, openTally } from '../support/tallies.ts';
import { rememberArchive } from '../support/archive.ts';
import { type FeedPage, endOfFeed, page } from '../support/feed.ts';
import { ports } from '../support/platform.ts';
import { expectProblem } from '../support/problem.ts';

/*
 * After a restore of its database, the archive gives positions out a second time. A follower must not take its cursor for one of the new
 * history (I21): it gets every event, or it is told that its cursor is lost.
 */

/** A tally with one event for each addition and one before them. `archive` brings its events into the archive. */
async function tallyWith(additions: number) {
  const { answer: opened, path, stream } = await openTally();
  let answer = opened;
  for (let by = 1; by <= additions; by += 1) answer = await addTo(path, by);
  return { stream, archive: () => page('limit=1', withToken(answer)) };
}

/** A follower of the feed, with its events by id. */
class Follower {
  readonly #events = new Map<string, string>();
  #cursor: string;
  wasLost = false;

  constructor(cursor: string) {
    this.#cursor = cursor;
  }

  /** The ids of all events that it has. */
  get ids(): readonly string[] {
    return [...this.#events.keys()].toSorted();
  }

  /** Reads on, up to so many events. Starts again from the beginning where its cursor is lost. Returns whether anything came. */
  async poll(query: string): Promise<boolean> {
    const answer = await get(`/events?${query}&after=${this.#cursor}`, asOperator);
    if (answer.status === 410) {
      await expectProblem(answer, 410, 'cursor-lost');
      expect(this.wasLost, 'a cursor is lost once').toBe(false);
      this.wasLost = true;
      this.#cursor = cursorAt(0);
      return true;
    }
    expect(answer.status).toBe(200);
    const { items, nextCursor }: FeedPage = await json(answer);
    for (const { id, type } of items) this.#events.set(id, type);
    const isFurther = nextCursor !== this.#cursor;
    this.#cursor = nextCursor;
    return isFurther;
  }

  async toTheEnd(query: string): Promise<void> {
    for (let polls = 0; await this.poll(query); polls += 1) expect(polls).toBeLessThan(500);
  }
}

/** A cursor as Workers gave it out before cursors held the id of an event. */
function cursorAt(position: number): string {
  return btoa(JSON.stringify(['feed', '', String(position)])).replaceAll('=', '');
}

async function idsOf(...streams: readonly string[]): Promise<readonly string[]> {
  const logs = await Promise.all(streams.map((stream) => eventsOf(stream)));
  return logs.flatMap((events) => events.map((event) => (event as unknown as { id: string }).id)).toSorted();
}

async function lastPosition(): Promise<number> {
  return (await env.REPORTING_DB.prepare('SELECT max(position) AS n FROM archive_event').first<number>('n')) ?? 0;
}

describe('a follower of an empty archive', () => {
  it('gets a cursor, and with it every later event', async () => {
    const { items, nextCursor } = await page('limit=10');
    expect(items).toEqual([]);
    const { stream, archive } = await tallyWith(2);
    await archive();
    const later = await page(`limit=10&after=${nextCursor}`);
    expect(later.items.map(({ id }) => id).toSorted()).toEqual(await idsOf(stream));
  });
});

describe('a follower of an archive that was restored to an earlier time', () => {
  it('gets every event or 410 cursor-lost, from each position of its cursor', async () => {
    const from = await endOfFeed();
    const before = await Promise.all(Array.from({ length: 3 }, () => tallyWith(1)));
    for (const { archive } of before) await archive();
    const restore = await rememberArchive();
    const since = await Promise.all(Array.from({ length: 6 }, () => tallyWith(1)));
    for (const { archive } of since) await archive();

    // They have read 3, 4, … 17 of the 18 events. The first 6 are in the archive for good.
    const followers = Array.from({ length: 15 }, (_, index) => ({ read: index + 3, follower: new Follower(from) }));
    for (const { read, follower } of followers) await follower.poll(`limit=${read}`);
    await restore();
    const after = await tallyWith(3);
    for (const { archive } of [after, ...since.toReversed()]) await archive();

    const everything = await idsOf(...[...before, ...since, after].map(({ stream }) => stream));
    for (const { read, follower } of followers) {
      await follower.toTheEnd('limit=7');
      expect([read, follower.wasLost]).toEqual([read, read > 6]);
      expect(follower.ids.filter((id) => everything.includes(id))).toEqual(everything);
    }
  });

  it('gets 410 if the same event is at its position again, behind another one that it never had', async () => {
    const restore = await rememberArchive();
    const [one, two, three] = await Promise.all([tallyWith(0), tallyWith(0), tallyWith(0)]);
    await one.archive();
    await two.archive();
    const cursor = await endOfFeed();
    await restore();
    await three.archive();
    await two.archive();
    await one.archive();
    await expectProblem(get(`/events?after=${cursor}`, asOperator), 410, 'cursor-lost');
  });

  it('gets 410 beyond the end, with any cursor, also after further answers', async () => {
    const restore = await rememberArchive();
    const { archive } = await tallyWith(2);
    await archive();
    const cursor = await endOfFeed();
    await restore();
    for (const lost of [cursor, cursorAt((await lastPosition()) + 1), cursorAt(Number.MAX_SAFE_INTEGER), cursor]) {
      for (const filter of ['', '&type=Added', '&type=Reset'])
        await expectProblem(get(`/events?after=${lost}${filter}`, asOperator), 410, 'cursor-lost');
    }
  });

  it('gets 410 if its page ended at an event that the filter left out', async () => {
    const restore = await rememberArchive();
    const [one, two] = await Promise.all([tallyWith(1), tallyWith(2)]);
    await one.archive();
    await two.archive();
    const { items, nextCursor } = await page(`type=Reset&after=${await endOfFeed()}`);
    expect(items).toEqual([]);
    await restore();
    await two.archive();
    await one.archive();
    await expectProblem(get(`/events?after=${nextCursor}&type=Reset`, asOperator), 410, 'cursor-lost');
  });

  it('continues with an earlier cursor that it kept and that still fits', async () => {
    const kept = await endOfFeed();
    const restore = await rememberArchive();
    const { stream, archive } = await tallyWith(3);
    await archive();
    await restore();
    await archive();
    const { items } = await page(`limit=100&after=${kept}`);
    expect(items.map(({ id }) => id).toSorted()).toEqual(await idsOf(stream));
  });
});

describe('a cursor of the former format, which is only a position,', () => {
  it('is accepted, and the answer’s cursor holds the event as well', async () => {
    const { stream, archive } = await tallyWith(2);
    const restore = await rememberArchive();
    await archive();
    const end = await lastPosition();
    const { items } = await page(`limit=100&after=${cursorAt(end - 3)}`);
    expect(items.map(({ id }) => id).toSorted()).toEqual(await idsOf(stream));
    const { nextCursor } = await page(`after=${cursorAt(end)}`);
    expect(nextCursor).not.toBe(cursorAt(end));
    expect(nextCursor).toBe(await endOfFeed());
    await restore();
    await archive();
    await expectProblem(get(`/events?after=${nextCursor}`, asOperator), 410, 'cursor-lost');
  });
});

describe('an entry without a mark, as former Workers append it,', () => {
  it('is known by its event’s id', async () => {
    const restore = await rememberArchive();
    const [one, two] = await Promise.all([tallyWith(0), tallyWith(0)]);
    await one.archive();
    await two.archive();
    const position = await lastPosition();
    await env.REPORTING_DB.prepare('UPDATE archive_event SET mark = NULL WHERE position = ?').bind(position).run();
    const cursor = await endOfFeed();
    expect(await page(`after=${cursor}`)).toEqual({ items: [], nextCursor: cursor });
    await restore();
    await two.archive();
    await one.archive();
    await expectProblem(get(`/events?after=${cursor}`, asOperator), 410, 'cursor-lost');
  });
});

describe('a replica that does not have the cursor’s event yet', () => {
  it('loses no cursor: the primary answers', async () => {
    const { stream, archive } = await tallyWith(1);
    const cursor = await endOfFeed();
    await archive();
    const token = withToken(await get(`/events?after=${cursor}`, asOperator), asOperator);
    const end = await endOfFeed();
    let askedReplica = 0;
    ports.database = () =>
      replicaWithoutEvents(env.REPORTING_DB, () => {
        askedReplica += 1;
      });
    expect(await page(`after=${end}`, token)).toEqual({ items: [], nextCursor: end });
    expect(askedReplica).toBe(1);
    const { items } = await page(`after=${cursor}`, token);
    expect(items.map(({ id }) => id).toSorted()).toEqual(await idsOf(stream));
    expect(askedReplica).toBe(2);
  });
});

/** A database whose sessions with a bookmark are answered by a replica that knows the pointers and has no event. */
function replicaWithoutEvents(real: D1Database, onAnswer: () => void): D1Database {
  const replica = {
    prepare: (sql: string) => real.prepare(sql),
    getBookmark: () => null,
    async batch(statements: D1PreparedStatement[]) {
      onAnswer();
      const answers = await real.batch(statements);
      return answers.map((answer, index) => ({
        ...answer,
        results: index === 0 ? answer.results : [],
        meta: { ...answer.meta, served_by_primary: false },
      }));
    },
  };
  return new Proxy(real, {
    get(target, property) {
      if (property === 'withSession')
        return (from: string) => (from === 'first-primary' ? target.withSession(from) : replica);
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
