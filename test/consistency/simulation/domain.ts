import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { SeededRandom } from '../../../src/tidemark/testing/seeded-random.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { CheckOptions } from '../checker.ts';
import type { Json, SkippedEvent, SumAnswer } from '../history.ts';

/*
 * The interface between a domain and the simulation. A domain gives its modules, its clients' intents, and the expected answers. The
 * simulation has everything else (clients and their tokens, retries, faults, the checker), and knows no domain.
 *
 * For the modules of src/domain.ts, `simulatedDomain` derives all but the commands that clients send: test/domain.ts lists those, one line for
 * each module. tally-domain.ts shows a domain that derives nothing. `npm run simulate` runs all of them under every fault.
 */

/** A client wants to change something. */
export interface CommandIntent {
  readonly kind: 'command';
  /** For example `ShipOrder`. */
  readonly command: string;
  /** Default: `POST`. */
  readonly method?: 'DELETE';
  readonly path: string;
  readonly body: Json;
  /** Null: the server chooses it. */
  readonly stream: string | null;
  /** What distinguishes the same key elsewhere: the route with its ids. */
  readonly scope: string;
  /** The stream that the answer speaks of. */
  readonly streamOf: (body: Record<string, unknown>) => string;
  /** It may find nothing to do, and is acknowledged all the same. */
  readonly mayDoNothing?: boolean;
  /** It was applied: there is something new to know. */
  readonly learn?: (body: Record<string, unknown>) => unknown;
}

/** A client wants to see one resource. */
export interface ReadIntent {
  readonly kind: 'read';
  readonly readModel: string;
  readonly path: string;
  readonly stream: string;
}

/** All streams that the clients of one run have seen so far. */
export interface Known {
  /** The ids of the aggregates of a category, the eldest first. */
  readonly ids: (category: string) => string[];
  /** Other data that a domain remembers, by a name of its own. */
  readonly of: <Item>(name: string) => Item[];
}

/** The commands that clients send to one module. */
export interface ModuleIntents {
  readonly category: string;
  readonly commands: (known: Known, run: { readonly seed: number }) => readonly Generator[];
}

/** A row of a list as the checker wants it; `content` as a read of the one resource would show it. */
export interface ShownRow {
  readonly stream: string;
  readonly version: number;
  readonly content: string | null;
}

/** A client wants to see many. */
export interface ListIntent {
  readonly kind: 'list' | 'search';
  readonly readModel: string;
  readonly categories: readonly string[];
  readonly path: string;
  /** The request, in the form that `membership` reads. An answer shows where its page ends. */
  readonly query: (body: Record<string, unknown>) => Json;
  readonly rowsOf: (body: Record<string, unknown>) => readonly ShownRow[];
  /** The page after this one; undefined: it was the last. Absent: the client never turns the page. */
  readonly next?: (body: Record<string, unknown>) => ListIntent | undefined;
  readonly isLaterPage?: boolean;
}

/** A client wants to see a sum over many. */
export interface SumIntent {
  readonly kind: 'sum';
  readonly readModel: string;
  readonly categories: readonly string[];
  readonly path: string;
  /** As `membership` understands it; `times` is what the clock of the Worker showed that answered, each time that it looked, in ms. */
  readonly query: (times: readonly number[]) => Json;
  readonly figuresOf: (body: Record<string, unknown>) => Pick<SumAnswer, 'figures' | 'growing'>;
}

export type Intent = CommandIntent | ReadIntent | ListIntent | SumIntent;

/** What one kind of intent is called, and how one is thought up; undefined when there is nothing to do it to. */
export interface Generator {
  readonly name: string;
  readonly make: (chance: Chance) => Intent | undefined;
}

/** The chance that a generator may use: the client's own, so that one client fewer does not change the others. */
export interface Chance extends SeededRandom {
  pick<Item>(items: readonly Item[]): Item;
  /** One of them; a hot one, mostly, as far as the run has it. */
  hot<Item>(items: readonly Item[]): Item;
}

/** Every stream's events, from the logs. */
export type Logs = Readonly<Record<string, readonly StoredEvent[]>>;

/** A domain during one run. */
export interface DomainRun {
  readonly generators: readonly Generator[];
  /** The versions of other streams that an event says its command saw. */
  readonly saw: (event: StoredEvent) => Readonly<Record<string, number>>;
  /** What a read of a stream's resource shows right after the last of these events, as `content` of its rows; undefined: that is not known. */
  readonly contentOf: (stream: string, events: readonly StoredEvent[]) => string | null | undefined;
  /** What belongs into the answers of lists, and what streams add to sums, by the logs. */
  readonly membership: (logs: Logs, skipped: readonly SkippedEvent[]) => CheckOptions;
  /** The faults of the read models at rest, in plain words: each has to equal a naive fold of the logs. */
  readonly judgeAtRest: (rest: AtRest) => Promise<readonly string[]>;
}

/** The primaries, of each group of projections. */
export interface Databases {
  readonly serving: D1Database;
  readonly reporting: D1Database;
}

/** The data to judge at rest. */
export interface AtRest {
  readonly logs: Logs;
  /** The same for the archive, which keeps what a restore of a log has lost. */
  readonly archived: Logs;
  /** What an operator had read models leave out. */
  readonly skipped: readonly SkippedEvent[];
  /** Asks as a client without a token, and throws where the answer is no 200. */
  readonly get: (path: string) => Promise<unknown>;
  /** For what no route shows. */
  readonly databases: Databases;
  /** The true time, in ms. */
  readonly now: number;
}

/** A domain that the simulation can run. */
export interface SimulatedDomain {
  readonly name: string;
  readonly modules: readonly Module[];
  /**
   * The same modules as they were before their last deployment: without the newest event type, or with an earlier schema version. In some
   * runs that deployment is under way, so that Workers and objects of both meet. Absent: there is none.
   */
  readonly formerModules?: readonly Module[];
  /** Tables that no migration makes. */
  readonly prepare?: (databases: Databases) => Promise<void>;
  readonly begin: (run: { readonly seed: number }) => DomainRun;
}

/** JSON whose keys are in order, so that equal content is equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
