/** A group of projections that share a queue, its batch settings and a database, and so scale, fail and rebuild apart from others. */
export interface Group {
  /** Also the name of its queue behind the deployment's prefix: `<prefix>-<name>`. */
  readonly name: string;
  /** How long the queue waits to fill a batch, in ms: `max_batch_timeout` of its consumer. Delivery is checked after twice to three times the longest. */
  readonly batchWaitMs: number;
}
