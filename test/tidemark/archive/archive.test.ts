import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import { type ReplayLimits, replayPage } from '../../../src/tidemark/archive/archive.ts';
import type { Hint } from '../../../src/tidemark/write/message.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { reporting } from '../../../src/groups.ts';
import { asOperator, get, json } from '../../support/api.ts';
import { versionIn } from '../../support/checkpoints.ts';
import { openTally } from '../../support/tallies.ts';
import { rememberArchive } from '../../support/archive.ts';
import { deliver, hintsOf } from '../../support/queue.ts';
import { add, newTally, system } from '../../support/system.ts';

/** A stream’s events in the archive, in the order of the feed. */
async function archived(stream: StreamId): Promise<StoredEvent[]> {
  const { results } = await env.REPORTING_DB.prepare(
    'SELECT event FROM archive_event WHERE stream = ? ORDER BY position',
  )
    .bind(stream)
    .all<{ event: string }>();
  return results.map(({ event }) => JSON.parse(event) as StoredEvent);
}

async function logOf(stream: StreamId): Promise<readonly StoredEvent[]> {
  return (await system.aggregates.load(stream, 1, 500)).events;
}

/** A stream with this many events, and one message for each. */
async function streamOf(count: number) {
  const { tallyId, stream } = newTally();
  for (let version = 1; version <= count; version += 1) {
    await add(tallyId, version);
    await expect.poll(() => hintsOf(stream).some(({ toVersion }) => toVersion === version)).toBe(true);
  }
  return { tallyId, stream, hints: hintsOf(stream) };
}

const toReporting = (hints: readonly Hint[]) => deliver(hints, { group: reporting });

describe('the archive', () => {
  it('has every event once and as stored, in the order of its stream', async () => {
    const { stream, hints } = await streamOf(6);
    const [last, ...others] = hints.toReversed();
    await toReporting([last, ...others, ...hints] as Hint[]);
    await toReporting(hints);
    expect(await archived(stream)).toEqual(await logOf(stream));
  });

  it('has every event once even if several consumers get the same messages at once', async () => {
    const { stream, hints } = await streamOf(5);
    const results = await Promise.all(Array.from({ length: 4 }, () => toReporting(hints)));
    for (const { explicitAcks } of results) expect(explicitAcks).toHaveLength(5);
    expect(await archived(stream)).toEqual(await logOf(stream));
  });

  it('reads events from the log if no message brought them', async () => {
    const { stream, hints } = await streamOf(4);
    await toReporting(hints.slice(3));
    expect(await archived(stream)).toEqual(await logOf(stream));
  });

  it('keeps the order of each stream in a batch of many', async () => {
    const streams = await Promise.all([streamOf(3), streamOf(4), streamOf(5)]);
    const hints = streams.flatMap((one) => one.hints);
    await toReporting(hints.toSorted((one, other) => other.toVersion - one.toVersion));
    for (const { stream } of streams) expect(await archived(stream)).toEqual(await logOf(stream));
  });

  it('keeps an event in its original shape, also in the feed', async () => {
    const { stream } = await openTally();
    const [added] = await logOf(stream);
    // A tally that was set back when the event had another name, and no number.
    const past = streamId('tally', crypto.randomUUID());
    const zeroed = { ...added!, type: 'Zeroed', version: 2, schemaVersion: 1, data: {} };
    const events = [
      { ...added!, stream: past, id: crypto.randomUUID() },
      { ...zeroed, stream: past, id: crypto.randomUUID() },
    ];
    const hint = { stream: past, fromVersion: 1, toVersion: 2, previousId: null, events };
    expect((await toReporting([hint])).explicitAcks).toHaveLength(1);
    expect(await archived(past)).toEqual(events);

    const { items } = await json(get('/events?limit=100&type=Zeroed', asOperator));
    const item = items.find(({ source }: { source: string }) => source === `/streams/${past}`);
    expect(item).toMatchObject({ schemaversion: 1, streamversion: 2, data: {} });
    expect(item.data).not.toHaveProperty('to');
  });

  it('accepts events of unknown types and schema versions', async () => {
    const { stream, hints } = await streamOf(1);
    const [hint] = hints as [Hint];
    const future = hint.events!.map((event) => ({ ...event, type: 'Multiplied', schemaVersion: 7 }));
    expect((await toReporting([{ ...hint, events: future }])).explicitAcks).toHaveLength(1);
    expect(await archived(stream)).toEqual(future);
  });

  it('has a checkpoint that moves with its rows', async () => {
    const { stream, hints } = await streamOf(3);
    await toReporting(hints.slice(0, 2));
    const version = () => versionIn(env.REPORTING_DB, 'archive', stream);
    expect([await version(), (await archived(stream)).length]).toEqual([2, 2]);
    await toReporting(hints);
    expect([await version(), (await archived(stream)).length]).toEqual([3, 3]);
  });

  it('gives every entry its own mark, even the same event after a restore', async () => {
    const restore = await rememberArchive();
    const { stream, hints } = await streamOf(3);
    const marks = async () =>
      (
        await env.REPORTING_DB.prepare('SELECT mark FROM archive_event WHERE stream = ?')
          .bind(stream)
          .all<{ mark: string | null }>()
      ).results.map(({ mark }) => mark);
    await toReporting(hints);
    const before = await marks();
    await restore();
    await toReporting(hints);
    const all = [...before, ...(await marks())];
    expect(all).toHaveLength(6);
    expect(new Set(all).size).toBe(6);
    for (const mark of all) expect(mark).toMatch(/^[0-9a-z]{1,8}$/);
  });
});

describe('a page of a replay', () => {
  async function pagesOf(limits: ReplayLimits): Promise<readonly (readonly string[])[]> {
    const [archive] = system.registry.revisionsOf('archive');
    if (!archive) throw new Error('no archive');
    const pages: (readonly string[])[] = [];
    for (let position = 0; ;) {
      const page = await replayPage(env.REPORTING_DB, archive, { follows: archive.follows }, position, limits);
      if (page?.last === undefined) return pages;
      pages.push(page.events.map(({ id }) => id));
      position = page.last;
    }
  }

  it('is limited by number and by size, and has at least one event', async () => {
    const { hints } = await streamOf(5);
    await toReporting(hints);
    const ids = (await pagesOf({})).flat();
    expect(ids.length).toBeGreaterThanOrEqual(5);
    const [longest] = (
      await env.REPORTING_DB.prepare('SELECT max(octet_length(event)) AS n FROM archive_event').all<{ n: number }>()
    ).results;
    for (const limits of [{ maxEvents: 2 }, { maxBytes: 1 }, { maxBytes: 2 * (longest?.n ?? 0) }]) {
      const pages = await pagesOf(limits);
      expect(pages.flat()).toEqual(ids);
      expect(Math.min(...pages.map(({ length }) => length))).toBeGreaterThan(0);
    }
    expect((await pagesOf({ maxEvents: 2 }))[0]).toHaveLength(2);
    expect((await pagesOf({ maxBytes: 1 }))[0]).toHaveLength(1);
  });
});
