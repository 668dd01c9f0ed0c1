import type { StreamId } from '../domain/stream.ts';
import { NO_OBSTACLES, obstaclesStatement, toObstacles } from '../dead-letters/dead-letter.ts';
import { type Position, START, positionsStatement, toPositions } from '../projections/checkpoint.ts';
import { pointerStatement, toPointer } from '../projections/pointer.ts';
import type { Place, Revision } from './catch-up-page.ts';
import type { Round } from './catch-up-work.ts';
import { type ProjectionFault, faultStatement, toFault } from './projection-fault.ts';
import type { CatchUpRequest } from './stream-progress.ts';

/** A projection, and its targets that move. */
export type Targets = Pick<Round, 'projectionName' | 'lead' | 'others'>;

/** Where the targets of a projection stand, from one snapshot. */
export interface Places {
  /** Undefined if the projection has no pointer. */
  readonly epoch: number | undefined;
  /** The recorded fault of the projection, open or closed, if there is one. */
  readonly fault: ProjectionFault | undefined;
  readonly placeOf: (request: CatchUpRequest) => Place;
}

/** Reads the position of every target in each stream, the obstacles of the streams, the pointer, and the fault. */
export function placesStatements(
  database: D1Database,
  { projectionName, lead, others }: Targets,
  streams: readonly StreamId[],
): readonly D1PreparedStatement[] {
  return [
    pointerStatement(database, projectionName),
    faultStatement(database, projectionName),
    obstaclesStatement(database, projectionName, streams),
    ...[lead, ...others].map(({ projection, target }) => positionsStatement(database, projection, target, streams)),
  ];
}

/** Reads the answers of `placesStatements`. */
export function toPlaces(
  { lead, others }: Targets,
  [pointed, faults, obstacles, ...answers]: readonly D1Result<Record<string, unknown>>[],
): Places {
  const inWay = toObstacles(obstacles?.results ?? []);
  const positions = new Map<Revision, ReadonlyMap<StreamId, Position>>(
    [lead, ...others].map((revision, index) => [
      revision,
      toPositions(revision.projection, revision.target, answers[index]?.results ?? []),
    ]),
  );
  const positionIn = (revision: Revision, stream: StreamId) => ({
    revision,
    position: positions.get(revision)?.get(stream) ?? START,
  });
  return {
    epoch: toPointer(pointed?.results[0])?.epoch,
    fault: toFault(faults?.results[0]),
    placeOf: (request) => ({
      request,
      positions: [positionIn(lead, request.stream), ...others.map((revision) => positionIn(revision, request.stream))],
      obstacles: inWay.get(request.stream) ?? NO_OBSTACLES,
    }),
  };
}
