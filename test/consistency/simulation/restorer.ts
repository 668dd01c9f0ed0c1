import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Group } from '../../../src/tidemark/platform/group.ts';
import { groups } from '../../support/groups.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { Choices } from './choices.ts';
import type { DatabaseCopy } from './database-copy.ts';
import type { ProjectionTables } from './database-troubles.ts';
import type { Isolates } from './isolates.ts';
import type { SkipOfEvent } from './set-backs.ts';
import type { World } from './world.ts';

/** The most restores of logs in a run. */
const MAX_LOGS = 2;

/** Sets logs and databases back to an earlier time, as an operator does who restores them, and tells all Workers. */
export class Restorer {
  readonly #world: World;
  readonly #isolates: Isolates;
  readonly #choices: Choices;
  readonly #projections: readonly ProjectionTables[];
  /** What a database held some time ago. */
  #copy: { readonly group: Group; readonly copy: DatabaseCopy } | undefined;

  constructor(world: World, isolates: Isolates, choices: Choices, projections: readonly ProjectionTables[]) {
    this.#projections = projections;
    this.#world = world;
    this.#isolates = isolates;
    this.#choices = choices;
  }

  /** Restores one object that is not busy to a point in time, if there is one. */
  async restoreLog(): Promise<void> {
    const { objects, setBacks, recorder } = this.#world;
    const quiet = objects.streams.filter((stream) => !objects.isBusy(stream));
    if (setBacks.logs.length === MAX_LOGS || quiet.length === 0) return;
    if (!this.#world.happens('object.restored')) return;
    const written = this.#writtenLast();
    const latest = quiet.find((each) => each === written);
    const stream = latest !== undefined && this.#choices.isSome(0.5) ? latest : this.#choices.pick(quiet);
    const events = await objects.log(stream);
    const earlier = [
      0,
      ...events.flatMap((event, index) => (isEndOfCommand(event, events[index + 1]) ? event.version : [])),
    ];
    if (earlier.length < 2) return;
    // Mostly little is lost. The last version is the present one.
    const to = this.#choices.isSome(0.5) ? (earlier.at(-2) as number) : this.#choices.pick(earlier.slice(0, -1));
    await objects.restore(stream, to, this.#alarmThen(stream, to));
    const at = recorder.moment();
    setBacks.logs.push({ stream, at, announcedAt: this.#announce(), to, lost: events.slice(to) });
    this.#world.count(to === 0 ? 'a whole log was lost' : 'the end of a log was lost');
  }

  /** A read model may not have applied what this stream loses, and then never sees it. */
  #writtenLast(): string | undefined {
    const { operations } = this.#world.recorder;
    return operations.flatMap(({ outcome }) => (outcome.kind === 'acknowledged' ? [outcome.stream] : [])).at(-1);
  }

  /** A restore of one group's database to a moment before. Of the other one nothing is lost, so every log is known there. */
  async restoreDatabase(): Promise<void> {
    const { setBacks, recorder, mix } = this.#world;
    if (mix.rates['d1.restored'] === undefined || setBacks.databases.length > 0) return;
    if (this.#choices.isSome(this.#copy ? 0.02 : 0.1)) {
      const group = this.#choices.pick(groups);
      this.#copy = { group, copy: await this.#world.database(group).copy() };
    }
    if (!this.#copy || !this.#world.happens('d1.restored')) return;
    const { group, copy } = this.#copy;
    const database = this.#world.database(group);
    setBacks.skipped.push(...skippedIn(await database.copy()));
    await database.restore(copy);
    const at = recorder.moment();
    const readModels = this.#projections.filter((projection) => projection.group === group).map(({ name }) => name);
    for (const readModel of readModels) setBacks.touch(readModel, at);
    setBacks.databases.push({ readModels, at, announcedAt: this.#announce() });
    this.#world.count(`the database of ${group.name} was set back`);
  }

  /** The alarm as it was then: due long ago, or not set, if all of that log had been delivered by then. */
  #alarmThen(stream: StreamId, to: number): number | null {
    if (to === 0) return null;
    const { scheduler, objects } = this.#world;
    return this.#choices.isSome(0.5) || !objects.wasDelivered(stream, to) ? scheduler.now - 60_000 : null;
  }

  /** Tells all Workers, which start anew with it. Returns the moment from which on they all know. */
  #announce(): number {
    this.#isolates.announceRestore();
    return this.#world.recorder.moment();
  }
}

/** What an operator had had read models leave out. */
function skippedIn({ tables }: DatabaseCopy): readonly SkipOfEvent[] {
  const rows = tables.find(({ name }) => name === 'skipped_event')?.rows ?? [];
  return rows.map(({ projection, stream, version, event_id: eventId }) => ({
    readModel: String(projection),
    stream: String(stream),
    version: Number(version),
    eventId: String(eventId),
  }));
}

/** A restore keeps the events of one commit together. */
function isEndOfCommand({ metadata }: StoredEvent, next: StoredEvent | undefined): boolean {
  return next?.metadata.commandId !== metadata.commandId;
}
