import * as z from 'zod/mini';

/**
 * Copies a value with the members of each object in the sequence of its schema, so that equal values have equal JSON. Leaves out what an object's schema
 * does not name. A part whose schema is a union, a record or a tuple stays as it is.
 */
export function asDeclared(schema: z.ZodMiniType | undefined, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (schema instanceof z.ZodMiniNullable || schema instanceof z.ZodMiniOptional)
    return asDeclared(schema.def.innerType as z.ZodMiniType, value);
  if (schema instanceof z.ZodMiniArray && Array.isArray(value))
    return value.map((item) => asDeclared(schema.def.element as z.ZodMiniType, item));
  if (!(schema instanceof z.ZodMiniObject) || schema.def.catchall instanceof z.ZodMiniUnknown) return value;
  const members = Object.entries(schema.shape as Readonly<Record<string, z.ZodMiniType>>);
  const given = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(members.map(([name, member]) => [name, asDeclared(member, given[name])]));
}
