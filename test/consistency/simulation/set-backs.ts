import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { RestoredDatabase, RestoredLog, SkippedEvent, StoppedStream } from '../history.ts';

/** A skipped event. After a restore another event may have its version, and that one is not skipped. */
export interface SkipOfEvent extends SkippedEvent {
  readonly eventId: string;
}

/** A log that was set back, with its lost events. */
export type LogSetBack = Mutable<Omit<RestoredLog, 'stream' | 'lost'>> & {
  readonly stream: StreamId;
  readonly lost: readonly StoredEvent[];
};

/** A database that was set back. */
export type DatabaseSetBack = Mutable<RestoredDatabase>;

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

/** What a run has set back to an earlier time, and which read models have noticed. For the judges: the system is not told. */
export class SetBacks {
  readonly logs: LogSetBack[] = [];
  readonly databases: DatabaseSetBack[] = [];
  readonly stopped: Mutable<StoppedStream>[] = [];
  /** Events that were left out before the database that knew of it was set back. */
  readonly skipped: SkipOfEvent[] = [];

  get count(): number {
    return this.logs.length + this.databases.length;
  }

  hasLog(stream: string): boolean {
    return this.logs.some((log) => log.stream === stream);
  }

  /** A read model has stopped a stream, visibly. */
  stop(readModel: string, stream: string, from: number): void {
    this.stopped.push({ readModel, stream, from, until: null });
  }

  /** An action on a read model that may repair it. */
  touch(readModel: string, at: number): void {
    for (const stop of this.stopped) if (stop.readModel === readModel) stop.until ??= at;
  }
}
