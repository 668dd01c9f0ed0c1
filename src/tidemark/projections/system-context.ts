import type { Clock } from '../platform/clock.ts';
import type { Group } from '../platform/group.ts';
import type { Report } from '../platform/log.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { SendHints } from '../write/message.ts';
import type { PointerCache } from './pointer.ts';
import type { Registry } from './registry.ts';

/**
 * Everything that the parts of the system share: one object for each isolate and environment. A function asks for the fields that it uses,
 * `Pick<SystemContext, 'clock' | 'databaseOf'>`, so its signature shows what it can touch and a test gives it no more.
 */
export interface SystemContext {
  readonly clock: Clock;
  readonly report: Report;
  /** The code: modules, projections and groups. */
  readonly registry: Registry;
  readonly databaseOf: (group: Group) => D1Database;
  /** The event logs. */
  readonly aggregates: Aggregates;
  readonly pointers: PointerCache;
  /** Sends a message to the queue of a group. */
  readonly send: SendHints;
  /** When this isolate last found that the database of a group (by name) takes no writes, in ms since the Unix epoch. */
  readonly storageRefusedAt: Map<string, number>;
  /** Whether projections at the same event of a stream share a checkpoint row. False while a Worker of the release before serves. */
  readonly sharesCheckpoints: boolean;
}
