/** A group of projections that share a queue, its batch settings and a database. So the group scales, fails and rebuilds apart from others. */
export interface Group {
  /** The name of the group. Its queue is `<prefix>-<name>`, with the deployment's prefix. */
  readonly name: string;
  /**
   * How long the queue waits to fill a batch, in ms: `max_batch_timeout` of its consumer. The delivery check comes after two to three times the
   * longest.
   */
  readonly batchWaitMs: number;
  /**
   * Whether the Worker of a command applies its events right after the answer, if this is the first group that follows their stream. The queue then
   * finds most of its work done, and still brings what such a Worker has left. Default: false.
   */
  readonly appliesAfterAnswer?: boolean;
}
