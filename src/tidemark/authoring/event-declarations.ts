import type * as z from 'zod/mini';

import type { DomainEvent } from '../domain/event.ts';
import type { Renaming, Upcaster } from '../domain/upcaster.ts';

/** The members of an object, each with its schema. */
export type Shape = Readonly<Record<string, z.ZodMiniType>>;

/** The type of a parsed object of this shape, read-only at every depth. */
export type Parsed<Members extends Shape> = [keyof Members] extends [never]
  ? Record<never, never>
  : Immutable<z.output<z.ZodMiniObject<Members, z.core.$strict>>>;

type Immutable<Value> = Value extends object ? { readonly [Key in keyof Value]: Immutable<Value[Key]> } : Value;

/** A step at which an event type was renamed, with the shape of its data before. */
export interface FormerName extends Renaming {
  readonly shape: Shape;
}

/** One event type, as `events` declares it. */
export interface EventDeclaration<Data extends Shape = Shape> {
  readonly shape: Data;
  /** The steps from the first shape, oldest first. */
  readonly steps: readonly (Upcaster | FormerName)[];
  /** The shape that accepts every stored event of this name. */
  readonly stored: Shape;
}

export type EventDeclarations = Readonly<Record<string, EventDeclaration>>;

/** The changes of an event type since its first shape. */
export interface EventPast {
  /** Upcasters, each from one schema version to the next, and former names. Oldest first. */
  readonly steps: readonly (Upcaster | FormerName)[];
  /** Members that stored events have in another shape, or lack: each with a schema that accepts every stored shape. Default: none. */
  readonly stored?: Shape;
}

/**
 * Declares an event type whose shape or name has changed: the shape of today, and the steps that lift stored events to it. The schema version of an
 * event is one more than the number of steps. An upcaster must accept every shape ever stored. If it throws, the stream's
 * commands fail, and its projections get a dead letter.
 *
 *     const seatEvents = events({
 *       SeatReserved: versioned({ guest: z.string(), isVip: z.boolean() }, {
 *         steps: [(data) => ({ ...data, isVip: false })],
 *         stored: { isVip: z.optional(z.boolean()) },
 *       }),
 *     });
 */
export function versioned<Data extends Shape>(shape: Data, { steps, stored = {} }: EventPast): EventDeclaration<Data> {
  return { shape, steps, stored: { ...shape, ...stored } };
}

/**
 * Declares the step at which an event type was renamed, with the shape of its data before. Stored events keep their name. The Worker does not start
 * when the former name is another event type of the category.
 *
 *     const seatEvents = events({
 *       SeatTaken: versioned({ guest: z.string() }, { steps: [formerName('SeatReserved', { guest: z.string() })] }),
 *     });
 */
export function formerName(type: string, shape: Shape): FormerName {
  return { formerType: type, shape };
}

type Declared<Entry> = Entry extends EventDeclaration ? Entry : Entry extends Shape ? EventDeclaration<Entry> : never;

/**
 * Declares the events of an aggregate: each type, in the past tense, with the shape of its data. The shape is the type in code, and the schema in
 * the OpenAPI document and in the feed. Stored events are never parsed with it. They stay for ever, so a change of a shape needs a step: see
 * `versioned`. The Worker does not start when two modules declare the same event type.
 *
 *     export const seatEvents = events({
 *       SeatAdded: { place: z.string() },
 *       SeatReserved: { guest: z.string() },
 *       SeatReleased: {},
 *     });
 *     export type SeatEvent = EventOf<typeof seatEvents>;
 */
export function events<const Entries extends Readonly<Record<string, Shape | EventDeclaration>>>(
  entries: Entries,
): { readonly [Type in keyof Entries]: Declared<Entries[Type]> } {
  const declared = Object.entries(entries).map(([type, entry]) => [
    type,
    isDeclaration(entry) ? entry : { shape: entry, steps: [], stored: entry },
  ]);
  return Object.fromEntries(declared) as { readonly [Type in keyof Entries]: Declared<Entries[Type]> };
}

/** In a shape, a member `steps` is a schema. In a declaration, it is an array. */
function isDeclaration(entry: Shape | EventDeclaration): entry is EventDeclaration {
  return Array.isArray((entry as Partial<EventDeclaration>).steps);
}

/**
 * The type of the events that `events` declares; with a second argument, of one of them.
 *
 *     type SeatEvent = EventOf<typeof seatEvents>;
 *     type SeatAdded = EventOf<typeof seatEvents, 'SeatAdded'>;
 */
export type EventOf<Declarations extends EventDeclarations, Type extends keyof Declarations = keyof Declarations> = {
  [Name in Type & string]: DomainEvent<Name, Parsed<Declarations[Name]['shape']>>;
}[Type & string];
