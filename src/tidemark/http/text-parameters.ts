import type * as z from 'zod/mini';

/** The kinds of schemas that refuse every text. */
const NEVER_TEXT: ReadonlySet<string> = new Set([
  'array',
  'bigint',
  'boolean',
  'date',
  'map',
  'nan',
  'null',
  'number',
  'object',
  'record',
  'set',
  'tuple',
]);

/** The parameter of a path or a query string whose schema refuses every value, since a URL holds only text. Undefined: there is none. */
export function unreadableParameter(schema: z.ZodMiniObject | undefined): string | undefined {
  return Object.keys(schema?.shape ?? {}).find((name) => !readsText(schema?.shape[name] as z.core.$ZodType));
}

function readsText({ _zod: { def } }: z.core.$ZodType): boolean {
  const { innerType, in: first } = def as { innerType?: z.core.$ZodType; in?: z.core.$ZodType };
  const inner = innerType ?? first;
  if (inner) return readsText(inner);
  if (def.type === 'literal') return (def as z.core.$ZodLiteralDef<z.core.util.Literal>).values.some(isText);
  if (def.type === 'union') return (def as z.core.$ZodUnionDef).options.some(readsText);
  const isCoerced = (def as { coerce?: boolean }).coerce === true;
  return isCoerced || !NEVER_TEXT.has(def.type);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}
