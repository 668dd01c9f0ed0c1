/**
 * Tidemark's front door: a domain imports everything from here, as `#tidemark`. Every name is a promise, so test/tidemark/exports.test.ts guards the
 * list. `#tidemark/worker` makes the Worker, and tests use `#tidemark/testing`. The examples in the docstrings use the domain of
 * docs/add-an-aggregate.md, the seats of a hall.
 */

// Declare an aggregate: events, commands, decisions, refusals.
export { aggregate } from './authoring/aggregate.ts';
export { type CommandOf, commands, prepared } from './authoring/command-declarations.ts';
export { type EventOf, events, formerName, versioned } from './authoring/event-declarations.ts';
export type { RecordedEvent } from './domain/event.ts';
export type { Decision, Rejection } from './domain/decider.ts';
export type { Upcaster } from './domain/upcaster.ts';
export { type Actor, type Principal, actorText, parseActor } from './domain/principal.ts';

// Combine the parts of a subject, and read other aggregates that a command needs.
export { type Preparation, module } from './authoring/module.ts';
export type { WriteSide } from './projections/event-sourced-module.ts';
export { stateLookup } from './authoring/state-lookup.ts';
export type { SeenOf } from './domain/seen.ts';
export { idOf } from './domain/stream.ts';

// Declare read models: with a resource for each aggregate, with a row of columns for each, or with tables of your own.
export { readModel } from './authoring/read-model.ts';
export { type RowOf, readModelOfColumns } from './authoring/read-model-of-columns.ts';
export { ignored, projectionOf } from './projections/projection.ts';
export { slotTables } from './projections/slot-tables.ts';
export { wideSum } from './projections/wide-counters.ts';

// API keys, as a subject of their own.
export { apiKeys } from './keys/module.ts';

// Query them.
export { queryBuilder } from './queries/causal-read.ts';
export { type Given, preparedQuery } from './queries/prepared-query.ts';

// Declare routes: of an aggregate, or of your own.
export { routesOf } from './authoring/routes-of.ts';
export { former } from './http/causal.ts';
export { listRoute } from './http/list-route.ts';
export { queryRoute } from './http/query-route.ts';
export { Problem } from './http/problem.ts';
export { pagesOf } from './http/cursor.ts';
export { csvAnswer } from './http/csv.ts';

// Schemas for requests and answers.
export {
  ACTOR_EXAMPLE,
  ActorSchema,
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
export { sumAs, sumShape } from './http/sums.ts';
export { hasBlank, normalText } from './http/text.ts';
