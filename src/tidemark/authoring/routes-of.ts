import * as z from 'zod/mini';

import type { Guarded } from '../access/access.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import type { FormerQuery } from '../http/causal.ts';
import { type CommandAccess, commandRoute } from '../http/command-route.ts';
import type { Position } from '../http/cursor.ts';
import { historyRoute } from '../http/history-route.ts';
import { listRoute, resourceIn } from '../http/list-route.ts';
import { resourceRoute } from '../http/resource-route.ts';
import type { Route } from '../http/route.ts';
import { ACTOR_EXAMPLE, Uuid, Version, integerParameter, named, text } from '../http/schemas.ts';
import type { Aggregate } from './aggregate.ts';
import type { CommandDeclarations } from './command-declarations.ts';
import type { EventDeclarations, EventOf, Parsed, Shape } from './event-declarations.ts';
import { asDeclared } from './as-declared.ts';
import type { FilterKind, KeyedList } from './keyed-list.ts';
import type { Prepared } from './read-model.ts';

/** The options that the routes of one aggregate share. */
export interface RoutesOptions<Existing, View extends Shape> {
  /** The path of the list and of the creation, for example `/seats`. A route about one aggregate adds its id. */
  readonly path: string;
  /** The tag that groups the routes in the OpenAPI document. */
  readonly tag: string;
  /** Who may read the aggregates, and who may send commands to them. A route may say something else. */
  readonly access: { readonly read: Guarded; readonly write: CommandAccess };
  /** For routes with `whose: 'customer'`: the member of the resource that holds the customer to whom it belongs, as `owner` of the aggregate does. */
  readonly owner?: keyof View & string;
  /** The name of the resource in the OpenAPI document and in generated clients, for example `Seat`. */
  readonly name: string;
  /** The members of the resource, without its id and its `version`: the `view` of its read model. */
  readonly view: View;
  /** Example members, for the OpenAPI document. */
  readonly example: z.input<z.ZodMiniObject<View, z.core.$strict>>;
  /** An example id, for the OpenAPI document. Default: a fixed UUID. */
  readonly exampleId?: string;
  /**
   * Makes the members of `view` from the aggregate's state, as `evolve` returns it. It answers where the read model cannot: a version that the read
   * model has not reached, the past (`asOf`), and `Prefer: return=representation`. It gives what the row of the same version gives.
   */
  readonly fromState: (state: Existing) => Members<View>;
}

type Members<View extends Shape> = Parsed<View> | z.input<z.ZodMiniObject<View, z.core.$strict>>;

interface Described {
  readonly summary: string;
  /** Who may use the route. Default: what the routes share. */
  readonly access?: Guarded;
  /** Default: the summary. */
  readonly description?: string;
}

interface CommandOptions<Body> extends Described {
  readonly access?: CommandAccess;
  /** An example body, for the OpenAPI document. Optional if no member of the body is required. */
  readonly example?: Body;
}

interface CreateOptions<Body> extends Described {
  readonly access?: CommandAccess;
  readonly example: Body;
  /**
   * The member of the body from which the id follows, and the function that makes the id. Two requests with the same value reach the same aggregate.
   * Default: a new id, which follows from the idempotency key if there is one.
   */
  readonly idFrom?: NaturalKey<Body>;
}

type NaturalKey<Body> = {
  readonly [Member in keyof Body & string]: { readonly member: Member; readonly by: (value: Body[Member]) => string };
}[keyof Body & string];

/**
 * A read model of `readModel` holds the resource. For rows of `readModelOfColumns`, `fromRow` makes the answer from a row, and keeps the id and
 * `version`. It is required unless the columns are the members of the resource.
 */
type RowOption<Row, View extends Shape, More = Record<never, never>> = Row extends Prepared
  ? More
  : Row extends Members<View>
    ? More & { readonly fromRow?: (row: Row) => Members<View> }
    : More & { readonly fromRow: (row: Row) => Members<View> };

type ResourceOptions<Row, View extends Shape> = RowOption<
  Row,
  View,
  Partial<Described> & { readonly formerly?: (id: string) => readonly FormerQuery<Row>[] }
>;

type ListOptions<Row, View extends Shape> = RowOption<
  Row,
  View,
  Described & {
    /**
     * Schemas of the filters, by column: they read the text of the query string. Default: an integer or a boolean for a column of that type, otherwise
     * the schema of the resource's member; for a text, at most 200 characters.
     */
    readonly filter?: Shape;
    /** The path, for a second list. Default: the path that the routes share. */
    readonly path?: `/${string}`;
    /** The operation id. Default: it follows from the path, as `listSeats` from `/seats`. */
    readonly id?: string;
    /** The same list of earlier revisions, for as long as one of them may be live. */
    readonly formerly?: FormerList<Row>;
  }
>;

type FormerList<Row> = (...asked: Parameters<KeyedList['page']>) => readonly FormerQuery<Row>[];

interface Queried<InSlot extends Tables, Row> extends Projection<InSlot> {
  readonly view?: Shape;
  readonly byId: (id: string) => (tables: InSlot) => SelectQuery<Row>;
}

/** The last argument may be left out if every option may. */
type OptionsOf<Options> = Partial<Options> extends Options ? [options?: Options] : [options: Options];

interface Listed<InSlot extends Tables, Row, Lists extends Readonly<Record<string, KeyedList<Row>>>> extends Queried<
  InSlot,
  Row
> {
  readonly lists: Lists;
}

type BodyOf<Commands extends CommandDeclarations, Type extends keyof Commands['types']> = z.input<
  z.ZodMiniObject<Commands['types'][Type]['body'], z.core.$strict>
>;

/** Makes the routes of one aggregate, each with its operation in the OpenAPI document. */
export interface RoutesOf<Commands extends CommandDeclarations, Events extends EventDeclarations, View extends Shape> {
  /** The schema of the resource, for routes of your own. */
  readonly schema: z.ZodMiniObject<
    { readonly [Id in Commands['id']]: typeof Uuid } & View & { readonly version: typeof Version }
  >;
  /** An example of the resource, for routes of your own. */
  readonly example: Readonly<Record<string, unknown>>;
  /** `POST <path>`: the command that creates an aggregate. */
  create<Type extends keyof Commands['types'] & string>(
    type: Type,
    options: CreateOptions<BodyOf<Commands, Type>>,
  ): Route;
  /** `POST <path>/{id}<step>`: a command on an existing aggregate, for example with the step `/reservation`. */
  command<Type extends keyof Commands['types'] & string>(
    type: Type,
    step: `/${string}`,
    options: CommandOptions<BodyOf<Commands, Type>>,
  ): Route;
  /** `GET <path>/{id}`: the resource, from a read model. */
  resource<InSlot extends Tables, Row>(
    model: Queried<InSlot, Row>,
    ...options: OptionsOf<ResourceOptions<NoInfer<Row>, View>>
  ): Route;
  /** `GET <path>`: a list, from a read model. Each list of an aggregate needs a path of its own. */
  list<InSlot extends Tables, Row, Lists extends Readonly<Record<string, KeyedList<Row>>>>(
    model: Listed<InSlot, Row, Lists>,
    name: keyof Lists & string,
    options: ListOptions<NoInfer<Row>, View>,
  ): Route;
  /** `GET <path>/{id}/history`: the stored events. */
  history(options: Partial<Described> & { readonly example: EventOf<Events> }): Route;
}

const EXAMPLE_ID = '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
const DEFAULT_MAX_FILTER = 200;

/**
 * Makes the routes of one aggregate. Path parameters, headers, answers, refusals, `Location` and the OpenAPI operation follow from the aggregate.
 * A mistake is a type error: an unknown command or list, or a row that lacks a member of the resource. A refused command answers with the problem
 * that `aggregate` declares for the refusal.
 *
 *     const seats = routesOf(seat, {
 *       path: '/seats',
 *       tag: 'seats',
 *       name: 'Seat',
 *       access: { read: { scope: null, whose: 'everyone' }, write: { scope: 'seats:write', whose: 'staff' } },
 *       view: seatMap.view,
 *       example: { place: 'A12', status: 'free', guest: null, updatedAt: '2026-11-23T09:00:00.000Z' },
 *       fromState: (state) => ({ ...state, guest: state.status === 'reserved' ? state.guest : null }),
 *     });
 *     export const seatRoutes = [
 *       seats.create('AddSeat', { summary: 'Add a seat', example: { place: 'A12' } }),
 *       seats.command('ReserveSeat', '/reservation', { summary: 'Reserve a free seat', example: { guest: 'Ada Lovelace' } }),
 *       seats.resource(seatMap),
 *     ];
 */
export function routesOf<
  State extends object,
  Absent extends State,
  Commands extends CommandDeclarations,
  Events extends EventDeclarations,
  View extends Shape,
>(
  // oxlint-disable-next-line typescript/no-explicit-any -- the kind of refusal does not matter here
  aggregate: Aggregate<State, Absent, Commands, Events, any>,
  options: RoutesOptions<Exclude<State, Absent>, View>,
): RoutesOf<Commands, Events, View> {
  const { path, tag, name, view, fromState, owner, exampleId = EXAMPLE_ID } = options;
  const { read, write } = options.access;
  const { id: idName, types } = aggregate.commands;
  const noun = aggregate.category;
  const schema = named(name, z.strictObject({ [idName]: Uuid, ...view, version: Version }));
  const receipt = named(`${name}Receipt`, z.strictObject({ [idName]: Uuid, version: Version }));
  const params = z.strictObject({ [idName]: Uuid });
  const idIn = (found: unknown) => (found as Readonly<Record<string, string>>)[idName] as string;
  const example = { [idName]: exampleId, ...(options.example as object), version: 1 };

  function represent(id: string, { state, version }: { readonly state: object; readonly version: number }): object {
    return asDeclared(schema, { [idName]: id, ...fromState(state as Exclude<State, Absent>), version }) as object;
  }
  /** Makes the answer of a row: its text, or the object that `fromRow` makes. Default: the columns, which the types have compared with the members. */
  function viewOf(
    model: { readonly name: string; readonly view?: Shape },
    fromRow: ((row: never) => object) | undefined,
  ) {
    if (!model.view) return (fromRow as ((row: unknown) => object) | undefined) ?? ((row: unknown) => row as object);
    // Otherwise the read model and `fromState` could make different texts of one resource.
    if (model.view !== view) throw new Error(`${path}: give the routes the view of ${model.name}, \`view: ….view\``);
    return resourceIn;
  }
  function refusalsOf(type: string): readonly string[] {
    return Object.entries(aggregate.refusals).flatMap(([code, { of }]) => (of.includes(type) ? [code] : []));
  }
  /** Otherwise every customer would get 404 for everything. */
  function requireOwner({ whose }: Guarded): void {
    if (whose === 'customer' && (owner === undefined || !aggregate.owner))
      throw new Error(`${path} has a route for customers: declare \`owner\` in the aggregate and in the routes`);
  }
  function written(
    type: string,
    { summary, description = summary, access = write }: Described & { readonly access?: CommandAccess },
  ) {
    requireOwner(access);
    const body = z.strictObject(types[type]?.body ?? {});
    return {
      id: operationOf(type),
      summary,
      description,
      tag,
      access,
      body,
      isBodyOptional: z.safeParse(body, {}).success,
      idName,
      answer: receipt,
      represent,
      representation: schema,
    };
  }

  return {
    schema,
    example,

    create(type, { example: bodyExample, idFrom, ...described }) {
      const valueIn = (body: object) => (body as Readonly<Record<string, never>>)[idFrom?.member ?? ''] as never;
      return commandRoute({
        ...written(type, described),
        path,
        bodyExample,
        ...(owner !== undefined && { owner }),
        creates: { location: (id) => `${path}/${id}` },
        ...(idFrom && { keyScope: (body: object) => String(valueIn(body)) }),
        toCommand: ({ body, newId }) => ({
          type,
          data: { [idName]: idFrom ? idFrom.by(valueIn(body)) : newId(), ...body },
        }),
        answerExample: { [idName]: exampleId, version: 1 },
        refusals: refusalsOf(type),
      });
    },

    command(type, step, { example: bodyExample = {}, ...described }) {
      return commandRoute({
        ...written(type, described),
        path: `${path}/:${idName}${step}`,
        params,
        bodyExample,
        toCommand: ({ params: found, body }) => ({ type, data: { ...found, ...body } }),
        answerExample: { [idName]: exampleId, version: 2 },
        refusals: ['not-found', ...refusalsOf(type)],
      });
    },

    resource(model, ...[asked]) {
      const {
        summary = `One ${noun}`,
        access = read,
        fromRow,
        formerly,
      } = (asked ?? {}) as ResourceOptions<unknown, View>;
      requireOwner(access);
      return resourceRoute({
        path: `${path}/:${idName}`,
        id: `get${name}`,
        summary,
        tag,
        access,
        ...(owner !== undefined && { owner }),
        params,
        noun,
        stream: (found) => aggregate.streamOf(idIn(found)),
        reads: model,
        query: (found) => model.byId(idIn(found)),
        ...(formerly && { formerly: (found: unknown) => formerly(idIn(found)) }),
        view: viewOf(model, fromRow),
        represent: (found, state) => represent(idIn(found), state),
        answer: schema,
        answerExample: example,
      });
    },

    list(model, list, given) {
      const {
        summary,
        description = summary,
        access = read,
        fromRow,
        formerly,
        filter = {},
        path: at = path,
        id = listOf(at),
      } = given as ListOptions<unknown, View>;
      const {
        page,
        positionOf,
        keys,
        filter: columns,
        filterKinds,
      } = model.lists[list] as (typeof model.lists)[string];
      const which = `the list "${list}" of "${model.name}"`;
      for (const column of Object.keys(filter))
        if (!columns.includes(column)) throw new Error(`${which} has no filter "${column}": name it in the read model`);
      const schemas = columns.map((column) => {
        const asked = filter[column] ?? filterOf(view[column], filterKinds[column]);
        if (z.safeParse(asked, undefined).data !== undefined)
          throw new Error(
            `the filter "${column}" of ${which} has a default, but a request without the filter gets every row. ` +
              'Leave the default out',
          );
        return [column, z.optional(asked)] as const;
      });
      return listRoute<z.core.$ZodShape, Tables, unknown, Position>({
        path: at,
        id,
        summary,
        description,
        tag,
        access,
        ...(owner !== undefined && columns.includes(owner) && { owner }),
        filter: Object.fromEntries(schemas),
        reads: model,
        query: (asked, after, take) => page(asked, after, take) as (tables: Tables) => SelectQuery<unknown>,
        ...(formerly && { formerly }),
        view: viewOf(model, fromRow),
        positionOf: positionOf as (row: unknown) => Position,
        positionKinds: keys.map(({ kind }) => kind),
        item: schema,
        itemExample: example,
      });
    },

    history({
      summary = `What happened to one ${noun}`,
      description = 'The stored events, from the log, oldest first.',
      access = read,
      example: event,
    }) {
      requireOwner(access);
      return historyRoute({
        path: `${path}/:${idName}/history`,
        id: `get${name}History`,
        summary,
        description,
        tag,
        access,
        params,
        noun,
        stream: (found) => aggregate.streamOf(idIn(found)),
        itemName: `${name}HistoryItem`,
        events: aggregate.schemas,
        itemExample: {
          version: 2,
          ...event,
          actor: ACTOR_EXAMPLE,
          correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
          recordedAt: '2026-11-23T10:00:00.000Z',
        },
      });
    },
  };
}

/**
 * The schema of a filter by a column. A query string holds only text, and no null.
 */
function filterOf(member: z.ZodMiniType | undefined, kind: FilterKind | undefined): z.ZodMiniType {
  const asked = member instanceof z.ZodMiniNullable ? (member.def.innerType as z.ZodMiniType) : member;
  if (kind === 'integer') return integerLike(asked);
  // In its normal form, and with a maximum length.
  return asked === undefined || asked instanceof z.ZodMiniString ? text(DEFAULT_MAX_FILTER) : asked;
}

type Bounds = readonly [min: number, max: number];
const SAFE: Bounds = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
/** zod has these as well, in a namespace that would bring all of zod into the bundle. */
const FORMAT_BOUNDS: Readonly<Record<string, Bounds>> = { int32: [-(2 ** 31), 2 ** 31 - 1], uint32: [0, 2 ** 32 - 1] };

/** An integer with the bounds of the resource's member, if it is a number. */
function integerLike(member: z.ZodMiniType | undefined): z.ZodMiniType {
  if (!(member instanceof z.ZodMiniNumber)) return integerParameter(...SAFE);
  const { format = 'safeint', checks = [] } = member.def as Partial<z.core.$ZodNumberFormatDef>;
  let [min, max] = FORMAT_BOUNDS[format] ?? SAFE;
  for (const { _zod: zod } of checks) {
    const { check, value, inclusive } = zod.def as z.core.$ZodCheckDef & { value: number; inclusive: boolean };
    if (check === 'greater_than') min = Math.max(min, inclusive ? value : value + 1);
    if (check === 'less_than') max = Math.min(max, inclusive ? value : value - 1);
  }
  return integerParameter(min, max);
}

/** The operation id of a list: `listSeats` of `/seats`, and `listSeatsByGuest` of `/seats-by-guest`. */
function listOf(path: string): string {
  const words = path.slice(path.lastIndexOf('/') + 1).split(/\W/);
  return ['list', ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('');
}

/** The operation id of a command's route: `reserveSeat` of `ReserveSeat`. */
export function operationOf(command: string): string {
  return command.charAt(0).toLowerCase() + command.slice(1);
}
