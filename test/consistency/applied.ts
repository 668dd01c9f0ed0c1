/** The events that a read model has applied at rest. Naive: without the code under test. */

/** An event as the log stores it, and as `GET /streams/{stream}/events` shows it. */
export interface StoredEvent {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- as it was stored, in whichever schema version
  readonly data: any;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly recordedAt: string;
}

/** Every stream's events, in order. */
export type Logs = Readonly<Record<string, readonly StoredEvent[]>>;

/** An event of a stream, as one read model meets it. */
export interface EventInReadModel {
  readonly readModel: string;
  readonly stream: string;
  readonly version: number;
}

/** Why a read model does not hold all that the logs do. */
export interface Obstacles {
  /** Events that an operator had it leave out. */
  readonly skipped: readonly EventInReadModel[];
  /** Open dead letters: neither that event nor any after it is applied. */
  readonly held: readonly EventInReadModel[];
}

export const NO_OBSTACLES: Obstacles = { skipped: [], held: [] };

export function idOf(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}

/** The events of one category that a read model has applied at rest, by stream. */
export function appliedTo(
  readModel: string,
  category: string,
  logs: Logs,
  { skipped, held }: Obstacles,
): ReadonlyMap<string, readonly StoredEvent[]> {
  const isHere = (stream: string) => (event: EventInReadModel) =>
    event.readModel === readModel && event.stream === stream;
  return new Map(
    Object.entries(logs)
      .filter(([stream]) => stream.startsWith(`${category}-`))
      .map(([stream, events]) => {
        const leftOut = new Set(skipped.filter(isHere(stream)).map(({ version }) => version));
        const end = Math.min(...held.filter(isHere(stream)).map(({ version }) => version), Infinity);
        return [stream, events.filter(({ version }) => version < end && !leftOut.has(version))] as const;
      }),
  );
}
