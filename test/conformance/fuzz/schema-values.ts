import fc from 'fast-check';

/** A JSON schema of the document, as far as bodies and parameters use the language. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** Keywords that say nothing of what a value may be, or what `valuesOf` honours without being told. */
const KNOWN = new Set(
  (
    '$ref type enum format pattern minLength maxLength minimum maximum minItems maxItems items properties required ' +
    'additionalProperties description default'
  ).split(' '),
);

/** How long lists and texts get: the bounds of most are far away, and `breakages.ts` goes beyond them. */
const MAX_ITEMS = 4;
const MAX_TEXT = 30;

/** What a schema cannot say, by the name of the field: a value that is there, or one of a closed list. */
export type ByName = (name: string) => fc.Arbitrary<unknown> | undefined;

/**
 * Values that satisfy a schema of the document. A keyword that this does not know is an error: it would make values that are called valid
 * and are not.
 */
export function valuesOf(schema: Schema, components: Readonly<Record<string, Schema>>, byName: ByName, name = '') {
  function of(part: Schema, called: string): fc.Arbitrary<unknown> {
    const unknown = Object.keys(part).filter((keyword) => !KNOWN.has(keyword));
    if (unknown.length > 0) throw new Error(`no values are known for the keyword ${unknown.join(', ')}`);
    const known = byName(called);
    if (known) return known;
    if (part.$ref !== undefined) return of(components[part.$ref.split('/').at(-1) ?? ''] ?? {}, called);
    if (part.enum) return fc.constantFrom(...part.enum);
    switch (part.type) {
      case 'object':
        return objects(part);
      case 'array':
        return fc.array(of(part.items ?? {}, called), {
          minLength: part.minItems ?? 0,
          maxLength: Math.min(part.maxItems ?? MAX_ITEMS, MAX_ITEMS),
        });
      case 'integer':
        return fc.oneof(
          fc.integer({
            min: Math.max(part.minimum ?? -1e9, -1e9),
            max: Math.min(part.maximum ?? 1e9, 1e9),
          }),
          fc.constantFrom(...[part.minimum, part.maximum].filter((bound) => bound !== undefined), 1),
        );
      case 'string':
        return texts(part);
      default:
        throw new Error(`no values are known for the type ${part.type} of ${called}`);
    }
  }

  function objects({ properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
    const members = Object.entries(properties).map(([member, part]) => [member, of(part, member)] as const);
    return fc.record(Object.fromEntries(members), { requiredKeys: [...required], noNullPrototype: true });
  }

  return of(schema, name);
}

function texts(schema: Schema): fc.Arbitrary<string> {
  if (schema.format === 'uuid') return fc.uuid();
  if (schema.format === 'date') return fc.date(withFourDigits).map((date) => date.toISOString().slice(0, 10));
  if (schema.format === 'date-time') return fc.date(withFourDigits).map((date) => date.toISOString());
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern = '' } = schema;
  const bounds = { minLength, maxLength: Math.min(maxLength, MAX_TEXT) };
  const atTheLimit = Number.isFinite(maxLength)
    ? [fc.constantFrom('x', 'é', '字', '🌊').map((character) => character.repeat(maxLength))]
    : [];
  return fc
    .oneof(
      { weight: 6, arbitrary: fc.string(bounds) },
      { weight: 3, arbitrary: fc.string({ ...bounds, unit: 'grapheme' }) },
      ...atTheLimit.map((arbitrary) => ({ weight: 1, arbitrary })),
    )
    .filter((text) => new RegExp(pattern, 'u').test(text))
    .filter((text) => Array.from(text).length <= maxLength);
}

const withFourDigits = {
  min: new Date('0001-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
};
