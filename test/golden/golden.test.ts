import { beforeAll, describe, expect, it } from 'vitest';

import { domain } from '../../src/domain.ts';
import type { RecordedEvent, StoredEvent } from '../../src/tidemark/domain/event.ts';
import { canonical } from '../consistency/simulation/domain.ts';
import { createRegistry } from '../../src/tidemark/projections/registry.ts';
import { inMemoryReadModel } from '../../src/tidemark/testing/in-memory-read-model.ts';
import { type StreamId, categoryOf } from '../../src/tidemark/domain/stream.ts';
import type { AnyAggregateType } from '../../src/tidemark/domain/aggregate-type.ts';
import { groups } from '../support/groups.ts';
import { unreleased } from '../domain.ts';
import { written } from '../domain-requests.ts';

import { system } from '../support/system.ts';
import { type ObjectStorage, dump, dumpSnapshots, restore, restoreSnapshot } from './object-storage.ts';
import { shapeOf } from './shape.ts';
import { type SnapshotRow, demandOneState } from './stored-snapshots.ts';
import type { Creation, WrittenStream } from './written-stream.ts';
import { WITH_KEYS_OF_NOBODY, postTo } from '../support/configured.ts';

/*
 * What objects stored, as each released schema version wrote it, and what has to come of it for ever. The files are in `golden/` of each
 * domain's tests. Files in logs/ and snapshots/ are never changed: their names end with a hash of them. Files in made/ follow the states and
 * the read models of today. `npm run golden` writes the files that are missing, and adds the rows of new read models to made/. What no
 * deployment has had yet may change freely: `unreleased` in test/domain.ts names it, and it has no files.
 *
 * A file in snapshots/ has the snapshots of every version of one log, as one `stateVersion` stored them. An `evolve` that gives another
 * state under the same `stateVersion` would leave one version with two states: that of old snapshots, and that of a fold.
 */

interface Made {
  /** The command that created the stream: sent again, it is recognised. */
  readonly created?: Creation;
  readonly version: number;
  readonly state: object;
  /** By projection: the rows of its tables. */
  readonly rows: Readonly<Record<string, unknown>>;
}

const logFiles = import.meta.glob('../*/golden/logs/*.json', { query: '?raw', import: 'default', eager: true });
const logs = files(logFiles);
const made = files(import.meta.glob('../*/golden/made/*.json', { query: '?raw', import: 'default', eager: true }));
const snapshots = files(
  import.meta.glob('../*/golden/snapshots/*.json', { query: '?raw', import: 'default', eager: true }),
);

/** The files of all areas: of the domain, and of the framework, which has an aggregate of its own. */
const sources: Readonly<Record<string, string>> = import.meta.glob('../../src/*/**/*.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

const aggregates = domain.map(({ aggregate }) => aggregate);
/** The event types that a deployment has had, with their aggregates. */
const releasedTypes = aggregates
  .filter(({ category }) => !unreleased.includes(category))
  .map((aggregate) => ({
    aggregate,
    events: Object.fromEntries(Object.entries(aggregate.events).filter(([type]) => !unreleased.includes(type))),
  }));
/** Of the domain alone: that of the system has projections that only tests need. */
const registry = createRegistry(domain, groups);

const events = new Map<string, readonly StoredEvent[]>();
let today: readonly WrittenStream[];
let eventsOfToday: readonly StoredEvent[];

/** Where the files of a category are, or belong if there are none: with the other tests of the area that declares it. */
function folderOf(category: string): string {
  const path = Object.keys(logFiles).find((each) => nameIn(each).startsWith(`${category}-`));
  const source = Object.keys(sources).find((each) => sources[each]?.includes(`\n  category: '${category}'`));
  const area = path?.split('/')[1] ?? source?.split('/')[3];
  if (area === undefined) throw new Error(`no file of src/ has \`category: '${category}'\``);
  return `test/${area}/golden`;
}

function nameIn(path: string): string {
  return /([^/]+)\.json$/.exec(path)?.[1] ?? '';
}

/** Text by name, without folder and extension. */
function files(found: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(found).map(([path, text]) => [nameIn(path), text]));
}

/** A log's name without its hash, as the file in made/ has it. */
function plain(name: string): string {
  return name.split('.')[0] ?? '';
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(digest.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

beforeAll(async () => {
  for (const [name, text] of logs) {
    const storage = JSON.parse(text) as ObjectStorage;
    await restore(storage);
    events.set(name, (await system.aggregates.load(storage.stream, 1, 1_000)).events);
  }
  today = await written();
  const pages = await Promise.all(today.map(({ stream }) => system.aggregates.load(stream, 1, 1_000)));
  eventsOfToday = pages.flatMap((page) => page.events);
});

function expected(name: string): Made {
  const text = made.get(plain(name));
  if (text === undefined) throw new Error(`${madePath(name)} says what comes of it`);
  return JSON.parse(text) as Made;
}

/** What today's code makes of a stream. */
async function madeOf(stored: readonly StoredEvent[], created?: Creation): Promise<Made> {
  const [first] = stored;
  if (!first) throw new Error('an empty log');
  const now = await system.aggregates.state(first.stream);
  const rows = registry.projectionsFollowing(first.stream).map((projection) => {
    const model = inMemoryReadModel(projection);
    for (const event of stored) model.apply([event]);
    return [projection.name, model.tables()] as const;
  });
  return asJson({
    ...(created && { created }),
    version: now?.version ?? 0,
    state: now?.state ?? {},
    rows: released(Object.fromEntries(rows)),
  });
}

function madePath(name: string): string {
  return `${folderOf(typeOf(name).category)}/made/${plain(name)}.json`;
}

/** Compares what the file in made/ says with what comes of a log now. Where they differ, prints that file as it is now. */
function compareMade(name: string, now: Made, compare: (sentence: string) => void): void {
  const [path, text] = [madePath(name), toText(now)];
  try {
    compare(`This is ${path} now:\n${text}`);
  } catch (error) {
    const before = expected(name);
    const withNewRows = { ...before, rows: { ...now.rows, ...before.rows } };
    print({ path, text, isMade: true, isAddition: canonical(withNewRows) === canonical(now) });
    throw error;
  }
}

/** The rows of read models that a deployment has had. */
function released(rows: Made['rows']): Made['rows'] {
  return Object.fromEntries(Object.entries(rows).filter(([readModel]) => !unreleased.includes(readModel)));
}

/** As a file in logs/ or made/ has it. */
function toText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function asJson<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

/** Every snapshot that there is of a log, in every `stateVersion`. */
function snapshotsOf(name: string): readonly SnapshotRow[] {
  const { tables } = JSON.parse(logs.get(name) ?? '') as ObjectStorage;
  const inFiles = [...snapshots].filter(([file]) => plain(file).startsWith(`${plain(name)}-state-`));
  return [
    ...((tables['snapshot']?.rows ?? []) as unknown as SnapshotRow[]),
    ...inFiles.flatMap(([, text]) => (JSON.parse(text) as { snapshots: SnapshotRow[] }).snapshots),
  ];
}

/** The type of the aggregate whose log it is. */
function typeOf(name: string): AnyAggregateType {
  return registry.typeOf((JSON.parse(logs.get(name) ?? '') as ObjectStorage).stream);
}

/** Throws where a version of a log has no snapshot of its type's `stateVersion`, and says what to save. */
async function demandSnapshots(name: string, { stateVersion }: AnyAggregateType): Promise<void> {
  const stored = snapshotsOf(name).filter((row) => row.state_version === stateVersion);
  const versions = new Set(stored.map(({ version }) => version));
  if (events.get(name)?.every(({ version }) => versions.has(version))) return;
  const { stream } = JSON.parse(logs.get(name) ?? '') as ObjectStorage;
  throw new MissingFiles(
    `${plain(name)} has no snapshots of stateVersion ${stateVersion}. Save this to the last byte; and see that the states are those that ` +
      'have to come of the log.',
    [await snapshotFile(plain(name), stream, stateVersion)],
  );
}

interface FileToSave {
  readonly path: string;
  readonly text: string;
  /** It is in made/, and `npm run golden -- --made` replaces the one that is there. */
  readonly isMade?: boolean;
  /** It only adds to the one that is there, and `npm run golden` replaces that. */
  readonly isAddition?: boolean;
}

/** Files are missing: the message shows them. */
class MissingFiles extends Error {
  readonly files: readonly FileToSave[];

  constructor(sentences: string, missing: readonly FileToSave[]) {
    super(`${sentences}\n${missing.map(({ path, text }) => `── ${path}\n${text}`).join('\n')}`);
    this.files = missing;
  }
}

/** On a line of its own, for `npm run golden`. */
function print(file: FileToSave): void {
  console.log(`@@ ${JSON.stringify(file)}`);
}

/** Prints each missing file. */
async function printing(demand: Promise<void>): Promise<void> {
  await demand.catch((error: unknown) => {
    if (error instanceof MissingFiles) for (const file of error.files) print(file);
    throw error;
  });
}

async function snapshotFile(name: string, stream: StreamId, stateVersion: number): Promise<FileToSave> {
  const text = toText({ stream, snapshots: await dumpSnapshots(stream) });
  const folder = folderOf(categoryOf(stream));
  return { path: `${folder}/snapshots/${name}-state-${stateVersion}.${await hashOf(text)}.json`, text };
}

describe.each([...snapshots.keys()])('the snapshots of %s', (file) => {
  it('were never changed: those of another state go into a file of their own', async () => {
    expect(`${plain(file)}.${await hashOf(snapshots.get(file) ?? '')}`).toBe(file);
    expect([...logs.keys()].map(plain)).toContain(plain(file).replace(/-state-\d+$/, ''));
  });
});

describe.each([...logs.keys()])('what was stored as %s', (name) => {
  it('has one state at each version, that of the snapshots with today’s stateVersion', () => {
    for (const row of snapshotsOf(name)) demandOneState(typeOf(name), events.get(name) ?? [], row);
  });

  it('has a snapshot of each version with today’s stateVersion', async () => {
    await printing(demandSnapshots(name, typeOf(name)));
  });

  it('gives the same state from every snapshot, of today’s stateVersion or of a former one', async () => {
    const { stream } = JSON.parse(logs.get(name) ?? '') as ObjectStorage;
    const { state, version } = expected(name);
    for (const row of snapshotsOf(name)) {
      await restoreSnapshot(stream, row);
      expect(asJson(await system.aggregates.state(stream)), `from version ${row.version}`).toMatchObject({ version });
      expect(asJson(await system.aggregates.state(stream))?.state).toStrictEqual(state);
    }
  });

  it('was never changed: what is written otherwise goes into a file of its own', async () => {
    expect(`${plain(name)}.${await hashOf(logs.get(name) ?? '')}`).toBe(name);
  });

  it('folds to the state that it has always had, from a snapshot and from its first event', async () => {
    const { created, state, version } = expected(name);
    const { stream, tables } = JSON.parse(logs.get(name) ?? '') as ObjectStorage;
    const eventId = tables['event']?.rows.at(-1)?.['id'];
    const now = await madeOf(events.get(name) ?? [], created);
    const kept = asJson(await system.aggregates.state(stream));
    const folded = asJson(await system.aggregates.state(stream, { version }));
    compareMade(name, now, (sentence) => {
      const isMeant = `If that is meant, raise stateVersion. ${sentence}`;
      expect(kept, isMeant).toStrictEqual({ version, state, eventId });
      expect(folded, isMeant).toStrictEqual({ version, state, eventId });
    });
  });

  it('gives every read model the rows that it has always given', async () => {
    const { created, rows: wanted } = expected(name);
    const now = await madeOf(events.get(name) ?? [], created);
    compareMade(name, now, (sentence) => {
      const isMeant = `If that is meant, rows that exist have to change too: docs/change-a-read-model.md says how. ${sentence}`;
      expect(now.rows, isMeant).toStrictEqual(wanted);
    });
  });

  const { created } = JSON.parse(made.get(plain(name)) ?? '{}') as Partial<Made>;
  it.runIf(created !== undefined)('is what its command has created, when that is sent again', async () => {
    if (!created) throw new Error('there is no such command');
    const answer = await postTo(WITH_KEYS_OF_NOBODY, created.path, created.body, { 'Idempotency-Key': created.key });
    expect([answer.status, answer.headers.get('Idempotency-Replayed')]).toEqual([201, 'true']);
    const { stream } = JSON.parse(logs.get(name) ?? '') as ObjectStorage;
    expect(stream.endsWith(`-${answer.headers.get('Location')?.split('/').at(-1)}`)).toBe(true);
  });
});

describe('the files', () => {
  it('have every event type in every schema version', () => printing(demandEveryType()));

  async function demandEveryType(): Promise<void> {
    const old = [...events.values()].flat();
    const missing = releasedTypes.flatMap(({ events: types }) =>
      Object.entries(types).flatMap(([type, steps]) =>
        [...steps, undefined].flatMap((_, index) => {
          // What it was called then.
          const renaming = steps.slice(index).find((step) => 'formerType' in step);
          const name = renaming?.formerType ?? type;
          const isThere = old.some((event) => event.type === name && event.schemaVersion === index + 1);
          return isThere ? [] : [{ what: `${name} ${index + 1}`, streams: writersOf(name) }];
        }),
      ),
    );
    if (missing.length === 0) return;
    const unwritten = missing.flatMap(({ what, streams }) => (streams.length === 0 ? [what] : []));
    const toSave = await Promise.all(fewest(missing.map(({ streams }) => streams)).map(filesFor));
    throw new MissingFiles(
      `${missing.map(({ what }) => what).join(', ')}: not there. \`npm run golden\` writes the files. Of each log's three, keep the first and the ` +
        'last to the last byte, and see that the second says what has to come of it.' +
        (unwritten.length === 0
          ? ''
          : ` No command in test/domain-requests.ts writes ${unwritten.join(', ')}: add one.`),
      toSave.flat(),
    );
  }

  it('have the shape in which each event is written today', () => {
    const old = [...events.values()].flat();
    for (const { events: types } of aggregates) {
      for (const [type, upcasters] of Object.entries(types)) {
        const ofNow = (event: StoredEvent) => event.type === type && event.schemaVersion === upcasters.length + 1;
        const stored = old.filter(ofNow);
        // One that no file has is new, and the test above says what to save.
        if (stored.length === 0) continue;
        expect(
          shapeOf(eventsOfToday.filter(ofNow).map(({ data }) => data)),
          `${type} is written otherwise than its schema version ${upcasters.length + 1} was: append an upcaster`,
        ).toEqual(shapeOf(stored.map(({ data }) => data)));
      }
    }
  });

  it('are, where one is to be saved, whole: with a snapshot, also where the object has none yet', async () => {
    for (const { stream } of today) {
      const { tables } = await dump(stream);
      expect(tables['snapshot']?.rows).toEqual([expect.objectContaining({ only: 1, version: expect.any(Number) })]);
      expect(tables['event']?.rows.length).toBeGreaterThan(0);
    }
  });

  it('say what comes of each log, and of no other', () => {
    expect([...made.keys()].toSorted()).toEqual([...logs.keys()].map(plain).toSorted());
  });

  it('are there for nothing that test/domain.ts calls unreleased', () => {
    const declared = new Set([
      ...aggregates.flatMap(({ category, events: types }) => [category, ...Object.keys(types)]),
      ...domain.flatMap(({ projections }) => projections.map(({ name }) => name)),
    ]);
    const kept = new Set([
      ...[...logs.keys()].map((name) => typeOf(name).category),
      ...[...events.values()].flat().map(({ type }) => type),
      ...[...made.values()].flatMap((text) => Object.keys((JSON.parse(text) as Made).rows)),
    ]);
    expect(
      unreleased.filter((name) => !declared.has(name)),
      'names no aggregate, event type or read model of the domain: take it out of the list',
    ).toEqual([]);
    expect(
      unreleased.filter((name) => kept.has(name)),
      'has files: take it out of the list',
    ).toEqual([]);
  });
});

describe.skipIf(releasedTypes.length === 0)('a change of what evolve means', () => {
  /** What each event type may come to mean: nothing at all, or something more. */
  const changes = releasedTypes.flatMap(({ aggregate, events: types }) =>
    Object.keys(types).flatMap((type) => [
      { aggregate, type, how: 'no longer changes the state', evolve: (before: object): object => before },
      {
        aggregate,
        type,
        how: 'also changes something else',
        evolve: (_before: object, after: object): object => ({ ...after, another: true }),
      },
    ]),
  );

  function changed({ aggregate, type, evolve }: (typeof changes)[number]): AnyAggregateType {
    const { decider } = aggregate;
    const after = (state: object, event: RecordedEvent) => decider.evolve(state, event) as object;
    return {
      ...aggregate,
      decider: {
        ...decider,
        evolve: (state: object, event: RecordedEvent) =>
          event.type === type ? evolve(state, after(state, event)) : after(state, event),
      },
    };
  }

  function demandOneStateOfEach(type: AnyAggregateType): void {
    for (const name of logs.keys())
      if (typeOf(name).category === type.category)
        for (const row of snapshotsOf(name)) demandOneState(type, events.get(name) ?? [], row);
  }

  it.each(changes)('is found by a snapshot: $type $how', (change) => {
    const { category, stateVersion } = change.aggregate;
    expect(() => demandOneStateOfEach(changed(change))).toThrow(
      `raise stateVersion of "${category}" to ${stateVersion + 1}`,
    );
  });

  it.each(changes)('asks for new snapshots where stateVersion is raised: $type $how', async (change) => {
    const raised = { ...changed(change), stateVersion: change.aggregate.stateVersion + 1 };
    expect(() => demandOneStateOfEach(raised)).not.toThrow();
    for (const name of logs.keys())
      if (typeOf(name).category === raised.category)
        await expect(demandSnapshots(name, raised)).rejects.toThrow(
          `${plain(name)} has no snapshots of stateVersion ${raised.stateVersion}`,
        );
  });
});

function writersOf(type: string): readonly WrittenStream[] {
  const streams = new Set(eventsOfToday.filter((event) => event.type === type).map(({ stream }) => stream));
  return today.filter(({ stream }) => streams.has(stream));
}

/** Few streams, one of each of these lists, the most wanted first. */
function fewest(wanted: readonly (readonly WrittenStream[])[]): readonly WrittenStream[] {
  const left = wanted.filter((streams) => streams.length > 0);
  const countOf = (one: WrittenStream) => left.filter((streams) => streams.includes(one)).length;
  const [best] = left.flat().toSorted((one, other) => countOf(other) - countOf(one));
  return best ? [best, ...fewest(left.filter((streams) => !streams.includes(best)))] : [];
}

/** What to save so that a released event is there for ever. */
async function filesFor(
  stream: WrittenStream,
  index: number,
  all: readonly WrittenStream[],
): Promise<readonly FileToSave[]> {
  const log = toText(await dump(stream.stream));
  const category = categoryOf(stream.stream);
  const before = [...logs.keys(), ...all.slice(0, index).map((one) => one.stream)];
  const number = before.filter((name) => name.startsWith(`${category}-`)).length + 1;
  const { events: stored } = await system.aggregates.load(stream.stream, 1, 1_000);
  const outcome = toText(await madeOf(stored, stream.created));
  const [folder, name] = [folderOf(category), `${category}-${number}`];
  return [
    { path: `${folder}/logs/${name}.${await hashOf(log)}.json`, text: log },
    { path: `${folder}/made/${name}.json`, text: outcome },
    await snapshotFile(name, stream.stream, registry.typeOf(stream.stream).stateVersion),
  ];
}
