import type { Command } from '../domain/decider.ts';
import type { Parsed, Shape } from './event-declarations.ts';

/** One command type: what its sender says, and what is added on the way to the decider. */
export interface CommandDeclaration<Body extends Shape = Shape, Added extends object = object> {
  readonly body: Body;
  /** Whether something is added: then the module has to say what, in `prepare`. */
  readonly isPrepared: boolean;
  /** Only a type. */
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
 * Declares a command to which the write side adds something before the decider sees it, for example the state of another aggregate. The
 * module's `prepare` brings it. (Two calls, since TypeScript infers either all type arguments or none.)
 *
 *     BookSeat: prepared<{ readonly price: number }>()({ guest: text(200) }),
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
 * Declares the commands of an aggregate: each type, in the imperative, with what its sender says. The shape is the type in code, the check of
 * a request's body, and its schema in the OpenAPI document. Every command also holds the aggregate's id, under the name that comes first.
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

/** The commands that `commands` declares; of one type, if it is named: `CommandOf<typeof seatCommands, 'AddSeat'>`. */
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

/** The types among the commands to which something is added. */
export type PreparedTypes<Declarations extends CommandDeclarations> = {
  [Name in keyof Declarations['types'] & string]: Record<never, never> extends AddedBy<Declarations['types'][Name]>
    ? never
    : Name;
}[keyof Declarations['types'] & string];

/** What is added to a command of this type. */
export type AddedTo<Declarations extends CommandDeclarations, Type extends keyof Declarations['types']> = AddedBy<
  Declarations['types'][Type]
>;
