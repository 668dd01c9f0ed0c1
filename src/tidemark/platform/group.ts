/** A group of projections that share a queue, its batch settings and a database. So the group scales, fails and rebuilds apart from others. */
export interface Group {
  /** The name of the group. Its queue is `<prefix>-<name>`, with the deployment's prefix. */
  readonly name: string;
  /**
   * How long the queue waits to fill a batch, in ms: `max_batch_timeout` of its consumer. The delivery check comes after two to three times the
   * longest.
   */
  readonly batchWaitMs: number;
}
