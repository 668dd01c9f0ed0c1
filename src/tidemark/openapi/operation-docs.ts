import type { EventSchemas } from '../http/event-schemas.ts';
import type { Documentation } from '../http/route.ts';
import { deadLetterDocs } from './dead-letter-docs.ts';
import { logDocs } from './log-docs.ts';
import { metaDocs } from './meta-docs.ts';
import { projectionDocs } from './projection-docs.ts';
import { rebuildDocs } from './rebuild-docs.ts';
import { sweepDocs } from './sweep-docs.ts';

/** The description of the framework's tag, for the OpenAPI document. */
export const OPERATIONS_TAGS = {
  operations: 'Runs the deployment: health, projections and their rebuilds, dead letters, the log, and this document.',
};

/** What the OpenAPI document says of the framework's own operations, by their ids. */
export function operationDocs(events: EventSchemas): Readonly<Record<string, Documentation>> {
  return {
    ...logDocs(events),
    ...rebuildDocs,
    ...deadLetterDocs,
    ...projectionDocs,
    ...sweepDocs,
    ...metaDocs,
  };
}
