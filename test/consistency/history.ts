/**
 * The types of a history: what clients sent and saw. The checker (checker.ts) judges it. It is plain data, so a test can save it as JSON and
 * judge it again.
 *
 * The model is Jepsen's (https://jepsen.io, and Kingsbury's "Elle", VLDB 2020). Each client does one operation after the other. An operation has
 * the moment of its call and the moment of its answer. Moments are logical: numbers that only grow, shared by all clients.
 */

import { type Branches, branchesOf } from './branches.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The members of every operation. */
interface Sent {
  /** One of its own for each operation. */
  readonly id: number;
  /** Whose session it belongs to. */
  readonly client: string;
  readonly invokedAt: number;
  /** Null: no answer ever came. */
  readonly completedAt: number | null;
  /** The operation whose answer brought the token that this one carried, in whichever session that was; null: it carried none. */
  readonly tokenFrom: number | null;
  /** The operations whose tokens it carried beside that one. Absent: none. */
  readonly tokensAlsoFrom?: readonly number[];
  /** Whether the answer said `X-Causal-Scope: partial`: of its token, only what this very operation saw or wrote is sure to be in it. */
  readonly isPartial: boolean;
  /**
   * Whether the answer's token leaves out streams for which only bookmarks vouch. Clients cannot read tokens, so the simulation does. It
   * matters only if a log or a database is set back to an earlier time. Absent: no.
   */
  readonly isShortened?: boolean;
}

/** An explicit error: nothing was done, nothing was shown. Never a violation by itself. */
export interface Refused {
  readonly kind: 'refused';
  /** The problem's code, for example `wrong-state` or `projection-behind`. */
  readonly code: string;
  /** The stream's version, where the refusal names it (412). */
  readonly currentVersion: number | null;
}

/** It may or may not have been done: no answer, `outcome-unknown`, `internal`. */
export interface Unknown {
  readonly kind: 'unknown';
  /** Null: no answer. */
  readonly code: string | null;
}

/** One attempt at a command. A retry is an operation of its own, with the same key. */
export interface CommandOperation extends Sent {
  readonly kind: 'command';
  /** For example `ShipOrder`. */
  readonly command: string;
  /** `X-Correlation-Id`, another one for each attempt: it tells in the log which attempt wrote an event. */
  readonly correlationId: string;
  /** Null: the server chooses it, and the client learns it from the answer. */
  readonly stream: string | null;
  /** How many events it appends when it is applied. */
  readonly appends: number;
  /** It may find nothing to do: then it appends nothing, and is acknowledged with the version that it met. */
  readonly mayDoNothing?: boolean;
  /** `scope` is the caller and the route with its ids. A key after its retention is another key: give it another scope. */
  readonly idempotency: { readonly scope: string; readonly key: string } | null;
  /** A fingerprint of the body as sent. */
  readonly fingerprint: string;
  /** `If-Match` or `X-Version`; null: any. */
  readonly expectedVersion: number | null;
  readonly outcome: Acknowledged | Refused | Unknown;
}

export interface Acknowledged {
  readonly kind: 'acknowledged';
  readonly stream: string;
  /** Of its last event. */
  readonly version: number;
}

/** A read of one resource as it is now (a read of the past, `asOf`, promises nothing about the present and is left out). */
export interface ReadOperation extends Sent {
  readonly kind: 'read';
  readonly readModel: string;
  readonly stream: string;
  /** `X-Version`: at least this version was asked for; null: none was. */
  readonly atLeast: number | null;
  readonly outcome: ReadAnswer | Refused | Unknown;
}

export interface ReadAnswer {
  readonly kind: 'resource';
  /** 0: there is no such resource (404). */
  readonly version: number;
  /** Who answered: the read model, the write side's state, or the log. */
  readonly source: 'read-model' | 'write-store' | 'log';
  /** The body, or a hash of it; null: not kept. Everybody who sees this version of the stream has to see the same. */
  readonly content: string | null;
}

/** A read of many resources. */
export interface ListOperation extends Sent {
  readonly kind: 'list' | 'search';
  readonly readModel: string;
  /** The categories of streams that the read model follows. */
  readonly categories: readonly string[];
  /** Filter, page, words: the input of the caller's `belongs`, which decides which streams belong in the answer. */
  readonly query: Json;
  readonly outcome: ListAnswer | Refused | Unknown;
}

export interface ListAnswer {
  readonly kind: 'rows';
  readonly rows: readonly SeenRow[];
  /** `X-Causal-Incomplete`: streams for which the token may have seen more than the answer shows. */
  readonly incomplete: readonly string[];
}

export interface SeenRow {
  readonly stream: string;
  readonly version: number;
  /** As in a read of the one resource; null: not kept. */
  readonly content: string | null;
}

/** A read of sums over many resources. */
export interface SumOperation extends Sent {
  readonly kind: 'sum';
  readonly readModel: string;
  readonly categories: readonly string[];
  /** The input of the caller's `adds`, which computes the part of a stream. */
  readonly query: Json;
  readonly outcome: SumAnswer | Refused | Unknown;
}

export interface SumAnswer {
  readonly kind: 'figures';
  /** Integers as text, since sums may be larger than a number holds. */
  readonly figures: Readonly<Record<string, string>>;
  /** Those of the figures that no event lowers, such as how many orders were ever placed. */
  readonly growing: readonly string[];
  readonly incomplete: readonly string[];
}

/** A poll of the feed of all events, from where the poll before it ended. */
export interface FeedOperation extends Sent {
  readonly kind: 'feed';
  readonly readModel: string;
  /** The poll whose answer brought the cursor that this one carried; null: from the beginning. */
  readonly cursorFrom: number | null;
  /** Nothing is written any more, and nothing is on its way. */
  readonly isLast: boolean;
  readonly outcome: FeedAnswer | Refused | Unknown;
}

export interface FeedAnswer {
  readonly kind: 'events';
  readonly events: readonly { readonly id: string; readonly stream: string; readonly version: number }[];
  /** There were no more at that moment. */
  readonly isEnd: boolean;
  /** Streams for which the token may have seen more than the feed has. */
  readonly incomplete: readonly string[];
}

export type Operation = CommandOperation | ReadOperation | ListOperation | SumOperation | FeedOperation;

/** An event of a log, as far as the checker looks at it. */
export interface LoggedEvent {
  readonly id: string;
  readonly version: number;
  /** Of the attempt that wrote it; null: it was there before the history began. */
  readonly correlationId: string | null;
  readonly recordedAt: string;
  /** The versions of other streams that the command saw and recorded in the event. */
  readonly saw: Readonly<Record<string, number>>;
  /** What a read of the resource shows right after it; absent: not known. */
  readonly content?: string | null;
}

/** An event that an operator had a read model leave out. */
export interface SkippedEvent {
  readonly readModel: string;
  readonly stream: string;
  readonly version: number;
}

/** A stream's log was set back to an earlier version, as a point-in-time restore of its object does. */
export interface RestoredLog {
  readonly stream: string;
  readonly at: number;
  /** When the operator had told all Workers: from then on they refuse tokens from before that leave streams out. */
  readonly announcedAt: number;
  /** The version at which it ended then. */
  readonly to: number;
  /** The events after that version. Others may be at these versions now. */
  readonly lost: readonly LoggedEvent[];
}

/** The database of some read models was set back to an earlier moment. */
export interface RestoredDatabase {
  readonly readModels: readonly string[];
  readonly at: number;
  /** As for a log. */
  readonly announcedAt: number;
}

/** A read model stopped a stream visibly, since its log was set back. */
export interface StoppedStream {
  readonly readModel: string;
  readonly stream: string;
  readonly from: number;
  /** When the operator began to put it right; null: never. */
  readonly until: number | null;
}

/** The logs and databases that were set back to an earlier time. */
export interface Restored {
  readonly logs: readonly RestoredLog[];
  readonly databases: readonly RestoredDatabase[];
  readonly stopped: readonly StoppedStream[];
}

export interface History {
  readonly operations: readonly Operation[];
  /** Every stream's events in the order of its log, read from the logs once everything was over. */
  readonly log: Readonly<Record<string, readonly LoggedEvent[]>>;
  readonly skipped: readonly SkippedEvent[];
  /** Absent: nothing was. */
  readonly restored?: Restored;
}

/** The history contradicts itself: its recording has a fault, so it cannot be judged. */
export class MalformedHistoryError extends Error {
  override readonly name = 'MalformedHistoryError';
}

/** A history whose operations can be looked up. */
export interface IndexedHistory {
  readonly history: History;
  readonly byId: ReadonlyMap<number, Operation>;
  readonly byCorrelationId: ReadonlyMap<string, CommandOperation>;
  /** `<read model>/<stream>@<version>` of each skipped event. */
  readonly skips: ReadonlySet<string>;
  readonly branches: Branches;
}

/** Looks a history over before it is judged. */
export function indexHistory(history: History): IndexedHistory {
  const byId = new Map<number, Operation>();
  const byCorrelationId = new Map<string, CommandOperation>();
  for (const operation of history.operations) {
    const { id, invokedAt, completedAt } = operation;
    demand(!byId.has(id), `two operations have the id ${id}`);
    demand(completedAt === null || completedAt > invokedAt, `operation ${id} was answered before it was sent`);
    demand(
      completedAt !== null || operation.outcome.kind === 'unknown',
      `operation ${id} has an outcome but no answer`,
    );
    byId.set(id, operation);
    if (operation.kind !== 'command') continue;
    demand(!byCorrelationId.has(operation.correlationId), `two attempts have the correlation id of operation ${id}`);
    byCorrelationId.set(operation.correlationId, operation);
  }
  for (const operation of history.operations) {
    const { id, invokedAt } = operation;
    for (const from of tokensOf(operation)) {
      const giver = byId.get(from);
      demand(giver !== undefined, `operation ${id} carries the token of operation ${from}, which does not exist`);
      demand(
        giver.completedAt !== null && giver.completedAt < invokedAt,
        `operation ${id} carries the token of operation ${from} before that was answered`,
      );
    }
  }
  for (const operation of history.operations) {
    if (operation.kind !== 'feed' || operation.cursorFrom === null) continue;
    const giver = byId.get(operation.cursorFrom);
    demand(
      giver?.kind === 'feed' && giver.outcome.kind === 'events',
      `operation ${operation.id} carries no cursor of a poll`,
    );
    demand(
      (giver.completedAt ?? Infinity) < operation.invokedAt,
      `operation ${operation.id} carries the cursor of operation ${giver.id} before that was answered`,
    );
  }
  const skips = history.skipped.map(({ readModel, stream, version }) => `${readModel}/${stream}@${version}`);
  for (const { stream, to, lost } of history.restored?.logs ?? []) {
    demand(lost[0]?.version === to + 1, `${stream} was set back to ${to}, and lost nothing that comes after it`);
  }
  return { history, byId, byCorrelationId, skips: new Set(skips), branches: branchesOf(history) };
}

function demand(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new MalformedHistoryError(otherwise);
}

/** The operations whose tokens an operation carried. */
export function tokensOf({ tokenFrom, tokensAlsoFrom = [] }: Operation): readonly number[] {
  return tokenFrom === null ? tokensAlsoFrom : [tokenFrom, ...tokensAlsoFrom];
}

export function categoryOf(stream: string): string {
  return stream.slice(0, stream.indexOf('-'));
}
