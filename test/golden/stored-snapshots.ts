import { expect } from 'vitest';

import type { StoredEvent } from '../../src/tidemark/domain/event.ts';
import { categoryOf } from '../../src/tidemark/domain/stream.ts';
import type { AnyAggregateType } from '../../src/tidemark/domain/aggregate-type.ts';
import { upcast } from '../../src/tidemark/domain/upcaster.ts';

/** A row of an object's table `snapshot`. */
export interface SnapshotRow {
  readonly only: number;
  readonly state_version: number;
  readonly version: number;
  readonly event_id: string;
  readonly state: string;
}

/** Throws when a snapshot that this code would use holds another state than this code folds at that version. */
export function demandOneState(type: AnyAggregateType, log: readonly StoredEvent[], snapshot: SnapshotRow): void {
  const { stateVersion, category } = type;
  if (snapshot.state_version !== stateVersion) return;
  const upTo = log.filter(({ version }) => version <= snapshot.version);
  const last = upTo.at(-1);
  expect(last?.id, 'the snapshot is of this log').toBe(snapshot.event_id);
  const folded = upTo.reduce<unknown>(
    (state, stored) => type.decider.evolve(state, upcast(type.events, stored)),
    type.decider.initialState,
  );
  expect(
    JSON.parse(JSON.stringify(folded)),
    `Version ${snapshot.version} of ${last && categoryOf(last.stream)} (${last?.type}) has two states: snapshots with stateVersion ${stateVersion} ` +
      `hold another one than evolve gives today. If evolve is meant to change, raise stateVersion of "${category}" to ${stateVersion + 1}: ` +
      'objects then fold their logs anew. If not, put evolve or the upcasters back.',
  ).toStrictEqual(JSON.parse(snapshot.state));
}
