/**
 * Tidemark's front door: all that a domain imports from the framework, as `#tidemark`. test/tidemark/exports.test.ts holds the list, since every
 * name here is a promise. The Worker itself is put together by `#tidemark/worker`; tests use `#tidemark/testing`.
 */

// Declare an aggregate: events, commands, decisions, refusals.
export { aggregate } from './authoring/aggregate.ts';
export { type CommandOf, commands, prepared } from './authoring/command-declarations.ts';
export { type EventOf, events, formerName, versioned } from './authoring/event-declarations.ts';
export type { RecordedEvent } from './domain/event.ts';
export type { Decision, Rejection } from './domain/decider.ts';
export type { Upcaster } from './domain/upcaster.ts';

// Tie a subject together, and read other aggregates where a command needs them.
export { type Preparation, module } from './authoring/module.ts';
export type { WriteSide } from './projections/event-sourced-module.ts';
export { stateLookup } from './authoring/state-lookup.ts';
export type { SeenOf } from './domain/seen.ts';
export { idOf } from './domain/stream.ts';

// Declare read models: one row for each aggregate, or in full.
export { type RowOf, readModel } from './authoring/read-model.ts';
export { ignored, projectionOf } from './projections/projection.ts';
export { slotTables } from './projections/slot-tables.ts';
export { wideSum, wideSumOf } from './projections/wide-counters.ts';

// Query them.
export { queryBuilder } from './queries/causal-read.ts';
export { type Given, preparedQuery } from './queries/prepared-query.ts';

// Declare routes: of an aggregate, or in full.
export { routesOf } from './authoring/routes-of.ts';
export { former } from './http/causal.ts';
export { listRoute } from './http/list-route.ts';
export { queryRoute } from './http/query-route.ts';
export { Problem } from './http/problem.ts';
export { fromCursor, invalidCursor, toPage } from './http/cursor.ts';
export { asksFor } from './http/accept.ts';
export { toCsv } from './http/csv.ts';

// Schemas that requests and answers share.
export {
  PAGE_QUERY,
  Time,
  Uuid,
  Version,
  described,
  integerParameter,
  named,
  pageOf,
  plainText,
  text,
} from './http/schemas.ts';
export { ExactSum, Sum, sumAs } from './http/sums.ts';
export { hasBlank, normalText } from './http/text.ts';
