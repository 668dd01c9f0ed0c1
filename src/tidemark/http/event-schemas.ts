import * as z from 'zod/mini';

import { type EventTypes, formerTypes } from '../domain/upcaster.ts';
import { named } from './schemas.ts';

/** The schema of each event type's data over HTTP, by the type: for the OpenAPI document and the clients generated from it. */
export type EventSchemas = Readonly<Record<string, z.ZodMiniType>>;

/** Names each schema after its event type. */
export function namedSchemas(entries: readonly (readonly [type: string, schema: z.ZodMiniType])[]): EventSchemas {
  return Object.fromEntries(entries.map(([type, schema]) => [type, named(type, schema)]));
}

/** Returns the schemas. Throws when the schema of a former type name is missing: stored events with that name could not be answered. */
export function withFormerTypes(types: EventTypes, schemas: EventSchemas): EventSchemas {
  for (const { formerType, type } of formerTypes(types)) {
    if (!Object.hasOwn(schemas, formerType))
      throw new Error(
        `there is no schema of "${formerType}", the former name of ${type}: stored events have that type`,
      );
  }
  return schemas;
}

/** Merges the event types of all modules. Throws when two modules declare the same type: a client could not tell their data apart. */
export function mergeEventSchemas(...sources: readonly EventSchemas[]): EventSchemas {
  const merged: Record<string, z.ZodMiniType> = {};
  for (const [type, schema] of sources.flatMap((source) => Object.entries(source))) {
    if (Object.hasOwn(merged, type)) throw new Error(`two modules have the event type "${type}"`);
    merged[type] = schema;
  }
  return merged;
}

/** A union of envelopes, one around the data of each event type. `type` discriminates. The union is named `<id>`, each variant `<type><id>`. */
export function eventUnion(
  id: string,
  description: string,
  events: EventSchemas,
  envelope: (type: z.ZodMiniType, data: z.ZodMiniType) => z.ZodMiniObject,
): z.ZodMiniType {
  const variants = Object.entries(events).map(
    ([type, data]) => [type, named(`${type}${id}`, envelope(z.literal(type), data))] as const,
  );
  const discriminator = {
    propertyName: 'type',
    mapping: Object.fromEntries(variants.map(([type]) => [type, `#/components/schemas/${type}${id}`])),
  };
  // `xor`, not `discriminatedUnion`: both become `oneOf` in the document, and no code parses with this schema.
  return z.xor(variants.map(([, variant]) => variant)).check(z.meta({ id, description, discriminator }));
}
