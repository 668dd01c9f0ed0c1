import type { bundledWorker } from '../contenders/bundled-worker.ts';

/**
 * How one contender is served. Whoever starts the process has read all files of its configuration: reading them takes wrangler, which takes longer
 * to load than the rest together.
 */
export interface ServerSetup extends ReturnType<typeof bundledWorker> {
  /** The folder of its storage: fresh for every server. */
  readonly storage: string;
  readonly port: number;
  readonly bindings: Readonly<Record<string, string>>;
  /** The statements that make its tables, by the database's binding. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
  /** No consumer is attached, so no message is ever delivered. */
  readonly areQueuesOff?: boolean;
  /** The longest that a queue waits for a batch to fill, in s. Default: as the configuration has it. */
  readonly batchTimeoutS?: number;
  /** No object leaves memory, though nobody asks for it. */
  readonly areObjectsKept?: boolean;
  /** Opens workerd's inspector at this port, to profile. */
  readonly inspectorPort?: number;
}

/** What the process of a server can be asked. */
export type ServerRequest =
  /** Answers once it serves. */
  | { readonly type: 'ready' }
  /** Runs statements as one batch, and answers with the rows of each. */
  | { readonly type: 'batch'; readonly database: string; readonly statements: readonly Statement[] }
  /** Hands messages to the Worker as one batch of a queue, and answers how many it acknowledged. */
  | { readonly type: 'deliver'; readonly queue: string; readonly bodies: readonly unknown[] }
  /** Ends the Worker's runtime, so that nobody has its storage open, and keeps the process. */
  | { readonly type: 'halt' }
  /** Serves what was halted, from the storage as it is now. */
  | { readonly type: 'start-again' }
  | { readonly type: 'stop' };

export interface Statement {
  readonly sql: string;
  readonly params?: readonly (string | number | null)[];
}
