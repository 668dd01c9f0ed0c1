import type { Branch } from './branches.ts';
import type { IndexedHistory, Operation } from './history.ts';

/** A client saw a stream at this version or later, at the latest when this operation got its answer. */
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

/** Whether the object itself answered, and not a read model: then it said what its log was while it was asked. */
export function isFromObject(operation: Operation): boolean {
  if (operation.kind === 'command') return true;
  return operation.outcome.kind === 'resource' && operation.outcome.source !== 'read-model';
}

/** When each stream had reached which version, as known from all clients together. */
export interface Sightings {
  /** The earliest sign that a stream had reached a version: in that branch of it, where it was restored. */
  reached(stream: string, version: number, branch: Branch | undefined): Sighting | undefined;
  /**
   * The highest version of a stream that a client had seen before an operation was sent, and that client. Of a restored stream: the highest
   * that its log still had at the answer.
   */
  knownBefore(stream: string, operation: Operation): Sighting | undefined;
  /** The highest version that a stream may have had at a moment: later ones had not even been asked for. */
  possibleAt(stream: string, moment: number): number;
}

/**
 * Gathers every sighting. Since versions only grow, who saw version 5 also vouches for 4; so `reached` never falls with the version, and
 * each question is one binary search. O(n log n) to gather. A stream that was restored is another matter: there only what its object said
 * counts, since a read model may show what is lost, and each question goes through all of it.
 */
export function gatherSightings({ history, byCorrelationId, branches }: IndexedHistory): Sightings {
  const earliest = new Map<string, (Sighting | undefined)[]>();
  const ofRestored = new Map<string, Sighting[]>();
  function note(operation: Operation, stream: string, version: number): void {
    const { completedAt } = operation;
    if (completedAt === null || version <= 0) return;
    if (branches.isRestored(stream)) {
      if (!isFromObject(operation)) return;
      ofRestored.set(stream, [...(ofRestored.get(stream) ?? []), { operation, completedAt, version }]);
      return;
    }
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

  // The moment from which on a version is possible in each branch: when it, or one after it, was first asked for.
  const askedFor = new Map(
    branches.streams.map((stream) => {
      const ofStream = branches.of(stream).map(({ log, from }) => {
        const moments = log.map(({ correlationId }) =>
          correlationId === null ? -Infinity : (byCorrelationId.get(correlationId)?.invokedAt ?? -Infinity),
        );
        for (let index = moments.length - 2; index >= 0; index -= 1) {
          moments[index] = Math.min(moments[index] as number, moments[index + 1] as number);
        }
        return { from, moments };
      });
      return [stream, ofStream];
    }),
  );

  /** What an answer of the object said, as far as the log still had it when another operation was answered. */
  function left({ operation, completedAt, version }: Sighting, stream: string, until: number): Sighting {
    const restores = (history.restored?.logs ?? []).filter(
      ({ stream: its, at }) => its === stream && at > operation.invokedAt && at < until,
    );
    return { operation, completedAt, version: Math.min(version, ...restores.map(({ to }) => to)) };
  }

  return {
    reached(stream, version, branch) {
      if (!branches.isRestored(stream)) return earliest.get(stream)?.[version];
      if (!branch) return undefined;
      return (ofRestored.get(stream) ?? [])
        .filter((sighting) => sighting.version >= version)
        .filter(({ operation, completedAt }) => operation.invokedAt > branch.from && completedAt < branch.until)
        .toSorted((one, other) => one.completedAt - other.completedAt)[0];
    },
    knownBefore(stream, { invokedAt, completedAt }) {
      if (branches.isRestored(stream)) {
        return (ofRestored.get(stream) ?? [])
          .filter((sighting) => sighting.completedAt < invokedAt)
          .map((sighting) => left(sighting, stream, completedAt ?? Infinity))
          .filter(({ version }) => version > 0)
          .toSorted((one, other) => other.version - one.version)[0];
      }
      const ofStream = earliest.get(stream) ?? [];
      const above = firstIndex(ofStream.length, (version) => (ofStream[version] as Sighting).completedAt >= invokedAt);
      // The client that saw it may have seen a later version.
      return above === 0 ? undefined : ofStream[above - 1];
    },
    possibleAt(stream, moment) {
      const begun = (askedFor.get(stream) ?? []).filter(({ from }) => from < moment);
      return Math.max(
        0,
        ...begun.map(({ moments }) => firstIndex(moments.length, (index) => (moments[index] as number) >= moment)),
      );
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
