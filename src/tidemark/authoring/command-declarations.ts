import type { Command } from '../domain/decider.ts';
import type { Parsed, Shape } from './event-declarations.ts';

/** One command type: its body, and the data that the write side adds before the decider runs. */
export interface CommandDeclaration<Body extends Shape = Shape, Added extends object = object> {
  readonly body: Body;
  /** Whether the write side adds data. The module then declares how, in `prepare`. */
  readonly isPrepared: boolean;
  /** A type only, never a value. */
  readonly added?: Added;
}

/** The commands of an aggregate, as `commands` declares them. */
export interface CommandDeclarations<
  Id extends string = string,
  Entries extends Readonly<Record<string, CommandDeclaration>> = Readonly<Record<string, CommandDeclaration>>,
> {
  /** The member of each command's data that holds the aggregate's id. */
  readonly id: Id;
  readonly types: Entries;
}

/**
 * Declares a command to which the write side adds data before the decider runs, for example the state of another aggregate. The module's `prepare`
 * function finds the data; without one for each such command, `module` is a type error. It takes two calls, since TypeScript infers either all type
 * arguments or none.
 *
 *     const seatCommands = commands('seatId', {
 *       AddSeat: { place: text(20) },
 *       ReserveSeat: prepared<{ readonly row: number }>()({ guest: text(200) }),
 *     });
 */
export function prepared<Added extends object>() {
  return <Body extends Shape>(body: Body): CommandDeclaration<Body, Added> => ({ body, isPrepared: true });
}

type Declared<Entry> = Entry extends { readonly body: Shape; readonly isPrepared: boolean }
  ? Entry
  : Entry extends Shape
    ? CommandDeclaration<Entry, Record<never, never>>
    : never;

/**
 * Declares the commands of an aggregate: each type, in the imperative, with the shape of its body. The shape is the type in code, the check of the
 * request's body (400 `invalid-field`), and the schema in the OpenAPI document. Every command's data also holds the aggregate's id, under the name
 * given first.
 *
 *     export const seatCommands = commands('seatId', {
 *       AddSeat: { place: text(20) },
 *       ReserveSeat: { guest: text(200) },
 *       ReleaseSeat: {},
 *     });
 *     export type SeatCommand = CommandOf<typeof seatCommands>;
 */
export function commands<
  const Id extends string,
  const Entries extends Readonly<Record<string, Shape | CommandDeclaration>>,
>(id: Id, entries: Entries): CommandDeclarations<Id, { readonly [Type in keyof Entries]: Declared<Entries[Type]> }> {
  const types = Object.entries(entries).map(([type, entry]) => [
    type,
    isDeclaration(entry) ? entry : { body: entry, isPrepared: false },
  ]);
  return { id, types: Object.fromEntries(types) as { readonly [Type in keyof Entries]: Declared<Entries[Type]> } };
}

function isDeclaration(entry: Shape | CommandDeclaration): entry is CommandDeclaration {
  return typeof (entry as Partial<CommandDeclaration>).isPrepared === 'boolean';
}

type AddedBy<Entry> = Entry extends { readonly added?: infer Added } ? NonNullable<Added> : never;

/**
 * The type of the commands that `commands` declares; with a second argument, of one of them.
 *
 *     type SeatCommand = CommandOf<typeof seatCommands>;
 *     type AddSeat = CommandOf<typeof seatCommands, 'AddSeat'>;
 */
export type CommandOf<
  Declarations extends CommandDeclarations,
  Type extends keyof Declarations['types'] = keyof Declarations['types'],
> = {
  [Name in Type & string]: Command<
    Name,
    { readonly [Key in Declarations['id']]: string } & Parsed<Declarations['types'][Name]['body']> &
      AddedBy<Declarations['types'][Name]>
  >;
}[Type & string];

/** The types of the commands to which the write side adds data. */
export type PreparedTypes<Declarations extends CommandDeclarations> = {
  [Name in keyof Declarations['types'] & string]: Record<never, never> extends AddedBy<Declarations['types'][Name]>
    ? never
    : Name;
}[keyof Declarations['types'] & string];

/** The data that the write side adds to a command of this type. */
export type AddedTo<Declarations extends CommandDeclarations, Type extends keyof Declarations['types']> = AddedBy<
  Declarations['types'][Type]
>;
