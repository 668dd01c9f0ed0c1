import type { IndexedHistory, Operation } from './history.ts';

/** That somebody saw a stream at a version, or later: at the latest when this operation was answered. */
export interface Sighting {
  readonly operation: Operation;
  readonly completedAt: number;
  readonly version: number;
}

/** The versions of streams that an answer shows. */
export function shownBy(operation: Operation): readonly { readonly stream: string; readonly version: number }[] {
  const { outcome } = operation;
  switch (outcome.kind) {
    case 'acknowledged':
      return [outcome];
    case 'refused': {
      const stream = operation.kind === 'command' ? operation.stream : null;
      return stream === null || outcome.currentVersion === null ? [] : [{ stream, version: outcome.currentVersion }];
    }
    case 'resource':
      return operation.kind === 'read' ? [{ stream: operation.stream, version: outcome.version }] : [];
    case 'rows':
      return outcome.rows;
    case 'events':
      return outcome.events;
    case 'figures':
    case 'unknown':
      return [];
    default:
      return outcome satisfies never;
  }
}

/** What is known, from all clients together, of when each stream had reached which version. */
export interface Sightings {
  /** The earliest sign that a stream had reached a version. */
  reached(stream: string, version: number): Sighting | undefined;
  /** The highest version that somebody had seen of a stream before a moment, and who. */
  knownBefore(stream: string, moment: number): Sighting | undefined;
  /** The highest version that a stream may have had at a moment: later ones had not even been asked for. */
  possibleAt(stream: string, moment: number): number;
}

/**
 * Gathers every sighting. Since versions only grow, who saw version 5 also vouches for 4; so `reached` never falls with the version, and
 * each question is one binary search. O(n log n) to gather.
 */
export function gatherSightings({ history, byCorrelationId }: IndexedHistory): Sightings {
  const earliest = new Map<string, (Sighting | undefined)[]>();
  function note(operation: Operation, stream: string, version: number): void {
    const { completedAt } = operation;
    if (completedAt === null || version <= 0) return;
    let ofStream = earliest.get(stream);
    if (!ofStream) earliest.set(stream, (ofStream = []));
    while (ofStream.length <= version) ofStream.push(undefined);
    const before = ofStream[version];
    if (!before || completedAt < before.completedAt) ofStream[version] = { operation, completedAt, version };
  }
  for (const operation of history.operations) {
    for (const { stream, version } of shownBy(operation)) note(operation, stream, version);
  }
  for (const ofStream of earliest.values()) {
    let least: Sighting | undefined;
    for (let version = ofStream.length - 1; version >= 0; version -= 1) {
      const here = ofStream[version];
      if (here && (!least || here.completedAt < least.completedAt)) least = here;
      ofStream[version] = least;
    }
  }

  // The moment from which on a version is possible: when it, or one after it, was first asked for.
  const askedFor = new Map(
    Object.entries(history.log).map(([stream, events]) => {
      const moments = events.map(({ correlationId }) =>
        correlationId === null ? -Infinity : (byCorrelationId.get(correlationId)?.invokedAt ?? -Infinity),
      );
      for (let index = moments.length - 2; index >= 0; index -= 1) {
        moments[index] = Math.min(moments[index] as number, moments[index + 1] as number);
      }
      return [stream, moments];
    }),
  );

  return {
    reached: (stream, version) => earliest.get(stream)?.[version],
    knownBefore(stream, moment) {
      const ofStream = earliest.get(stream) ?? [];
      const above = firstIndex(ofStream.length, (version) => (ofStream[version] as Sighting).completedAt >= moment);
      // Whoever vouches for it may have seen a later version still.
      return above === 0 ? undefined : ofStream[above - 1];
    },
    possibleAt(stream, moment) {
      const moments = askedFor.get(stream) ?? [];
      return firstIndex(moments.length, (index) => (moments[index] as number) >= moment);
    },
  };
}

/** The first of `length` indexes for which something holds that holds for all after it too. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
