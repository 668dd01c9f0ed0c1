import type * as z from 'zod/mini';

import type { DomainEvent } from '../domain/event.ts';
import type { Renaming, Upcaster } from '../domain/upcaster.ts';

/** Members of an object, each with its schema. */
export type Shape = Readonly<Record<string, z.ZodMiniType>>;

/** What an object of this shape is once it is parsed, at all depths read-only. */
export type Parsed<Members extends Shape> = [keyof Members] extends [never]
  ? Record<never, never>
  : Immutable<z.output<z.ZodMiniObject<Members, z.core.$strict>>>;

type Immutable<Value> = Value extends object ? { readonly [Key in keyof Value]: Immutable<Value[Key]> } : Value;

/** A step of an event's past at which its type had another name, with the shape that its data had then. */
export interface FormerName extends Renaming {
  readonly shape: Shape;
}

/** One event type, as `events` declares it. */
export interface EventDeclaration<Data extends Shape = Shape> {
  readonly shape: Data;
  /** From the first shape on, the oldest first. */
  readonly steps: readonly (Upcaster | FormerName)[];
  /** Every shape that stored events of this name have. */
  readonly stored: Shape;
}

export type EventDeclarations = Readonly<Record<string, EventDeclaration>>;

/** What became of an event type since its first shape. */
export interface EventPast {
  /** Lifts of the data from one schema version to the next, and former names, the oldest first. */
  readonly steps: readonly (Upcaster | FormerName)[];
  /** Members that stored events of this name have otherwise, or do not have, with a schema that takes every stored shape. */
  readonly stored?: Shape;
}

/**
 * Declares an event type whose shape or name has changed: its data as the code sees them now, and how stored ones are lifted to that.
 *
 *     SeatReserved: versioned({ guest: z.string(), isVip: z.boolean() }, {
 *       steps: [(data) => ({ ...data, isVip: false })],
 *       stored: { isVip: z.optional(z.boolean()) },
 *     }),
 */
export function versioned<Data extends Shape>(shape: Data, { steps, stored = {} }: EventPast): EventDeclaration<Data> {
  return { shape, steps, stored: { ...shape, ...stored } };
}

/**
 * Names the step at which an event type was renamed, and the shape that its data had before. Stored events keep their name.
 *
 *     SeatTaken: versioned({ guest: z.string() }, { steps: [formerName('SeatReserved', { guest: z.string() })] }),
 */
export function formerName(type: string, shape: Shape): FormerName {
  return { formerType: type, shape };
}

type Declared<Entry> = Entry extends EventDeclaration ? Entry : Entry extends Shape ? EventDeclaration<Entry> : never;

/**
 * Declares the events of an aggregate: each type, in the past tense, with the shape of its data. The shape is the type in code, the schema in
 * the OpenAPI document, and the schema of the feed. Events stay for ever, so a shape only changes together with a step: see `versioned`.
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

/** A schema is an object with functions, and steps are a list: so no shape with a member `steps` is taken for a declaration. */
function isDeclaration(entry: Shape | EventDeclaration): entry is EventDeclaration {
  return Array.isArray((entry as Partial<EventDeclaration>).steps);
}

/** The events that `events` declares; of one type, if it is named: `EventOf<typeof seatEvents, 'SeatAdded'>`. */
export type EventOf<Declarations extends EventDeclarations, Type extends keyof Declarations = keyof Declarations> = {
  [Name in Type & string]: DomainEvent<Name, Parsed<Declarations[Name]['shape']>>;
}[Type & string];
