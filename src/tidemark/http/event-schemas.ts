import * as z from 'zod/mini';

import { type EventTypes, formerTypes } from '../domain/upcaster.ts';
import { named } from './schemas.ts';

/** What the data of each event type looks like over HTTP, by the type: for the OpenAPI document and the clients made from it. */
export type EventSchemas = Readonly<Record<string, z.ZodMiniType>>;

/** Schemas by event type, each with its type as its name. */
export function namedSchemas(entries: readonly (readonly [type: string, schema: z.ZodMiniType])[]): EventSchemas {
  return Object.fromEntries(entries.map(([type, schema]) => [type, named(type, schema)]));
}

/** The schemas, among which those of renamed types have to be. Throws when one is not there: what is stored could not be answered. */
export function withFormerTypes(types: EventTypes, schemas: EventSchemas): EventSchemas {
  for (const { formerType, type } of formerTypes(types)) {
    if (!Object.hasOwn(schemas, formerType))
      throw new Error(
        `there is no schema of "${formerType}", as ${type} was called before: stored events have that type`,
      );
  }
  return schemas;
}

/** The event types of all subjects. Throws when two have the same: a client could not tell their data apart. */
export function mergeEventSchemas(...sources: readonly EventSchemas[]): EventSchemas {
  const merged: Record<string, z.ZodMiniType> = {};
  for (const [type, schema] of sources.flatMap((source) => Object.entries(source))) {
    if (Object.hasOwn(merged, type)) throw new Error(`two modules have the event type "${type}"`);
    merged[type] = schema;
  }
  return merged;
}

/** An envelope around the data of each event type, as a union that `type` tells apart: `<id>` of `<type><id>`s. */
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
  // `xor` and not `discriminatedUnion`: the document says `oneOf` for both, and nothing is ever parsed with it.
  return z.xor(variants.map(([, variant]) => variant)).check(z.meta({ id, description, discriminator }));
}
