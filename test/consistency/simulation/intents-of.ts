import type { AnyAggregate } from '../../../src/tidemark/authoring/aggregate.ts';
import { operationOf } from '../../../src/tidemark/authoring/routes-of.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { Json } from '../history.ts';
import type { Chance, CommandIntent, Generator, Known, ModuleIntents } from './domain.ts';

/** With more of one kind, commands would hardly ever meet. */
const MOST_OF_A_KIND = 8;

/** The body of a command by chance; undefined: there is nothing to send it to, or nothing that it could name. */
type Body = (chance: Chance, known: Known) => Json | undefined;

/** The body of a command, and the checker's knowledge of it. */
interface Declared {
  readonly body: Body;
  /** It may find nothing to do, and is acknowledged all the same. Default: false. */
  readonly mayDoNothing?: boolean;
  /** The member of the body from which a created aggregate's id follows. Default: none, and the id follows from the idempotency key. */
  readonly idFrom?: string;
}

/** A command that needs more than the ids of aggregates: the domain makes the whole intent. */
interface Own {
  readonly make: (known: Known, run: { readonly seed: number }) => (chance: Chance) => CommandIntent | undefined;
}

/**
 * The commands that clients send to a module: a body for each command type. Route, stream and idempotency scope follow from the module.
 *
 *     export const seatIntents = intentsOf(seats, {
 *       AddSeat: (chance) => ({ place: `A${chance.below(20)}` }),
 *       ReserveSeat: (chance) => ({ guest: chance.pick(['Ada', 'Grace']) }),
 *       ReleaseSeat: () => ({}),
 *     });
 */
export function intentsOf(module: Module, bodies: Readonly<Record<string, Body | Declared | Own>>): ModuleIntents {
  const { category } = module.aggregate;
  return {
    category,
    commands: (known, run) =>
      Object.entries(bodies).map(([type, body]) => {
        if (typeof body === 'function') return generatorOf(module, type, { body }, known);
        return 'make' in body ? { name: type, make: body.make(known, run) } : generatorOf(module, type, body, known);
      }),
  };
}

function generatorOf(module: Module, type: string, { body, mayDoNothing, idFrom }: Declared, known: Known): Generator {
  const { category } = module.aggregate;
  const idName = (module.aggregate as AnyAggregate).commands.id as string;
  const operation = operationOf(type);
  const route = module.routes.find(({ method, operation: { id } }) => method !== 'GET' && id === operation);
  if (!route) throw new Error(`no route of "${category}" has the operation id "${operation}"`);
  const ids = known.ids(category);
  const common = {
    kind: 'command',
    command: type,
    ...(mayDoNothing && { mayDoNothing }),
    ...(route.method === 'DELETE' && { method: route.method }),
  } as const;
  const isStep = route.path.includes(`:${idName}`);

  return {
    name: type,
    make(chance): CommandIntent | undefined {
      if (isStep ? ids.length === 0 : ids.length >= MOST_OF_A_KIND) return undefined;
      const sent = body(chance, known);
      if (sent === undefined) return undefined;
      if (isStep) {
        const id = chance.hot(ids);
        const [path, stream] = [route.path.replace(`:${idName}`, id), `${category}-${id}`];
        return { ...common, path, scope: `${route.method} ${path}`, stream, body: sent, streamOf: () => stream };
      }
      const key = idFrom === undefined ? '' : ` ${JSON.stringify((sent as Readonly<Record<string, Json>>)[idFrom])}`;
      return {
        ...common,
        path: route.path,
        scope: `POST ${route.path}${key}`,
        stream: null,
        body: sent,
        streamOf: (answer) => `${category}-${String(answer[idName])}`,
        learn(answer) {
          const id = String(answer[idName]);
          if (!ids.includes(id)) ids.push(id);
        },
      };
    },
  };
}
