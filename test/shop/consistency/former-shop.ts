import { domain } from '../../../src/domain.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import type { Decision } from '../../../src/tidemark/domain/decider.ts';
import type { Principal } from '../../../src/tidemark/domain/principal.ts';
import type { DomainEvent, StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import { order } from '../../../src/shop/orders/order.ts';

/*
 * The shop before returns, and before a shipment had a carrier. A run with a deployment under way deploys it beside today's code. So this code
 * meets an event type that it does not know, and a newer schema version, from objects of the other code.
 */

const NEW_EVENT = 'ItemsReturned';
const NEW_COMMAND = 'ReturnItems';

export const formerShop: readonly Module[] = domain.map((module) =>
  module.aggregate.category === order.category ? formerOrders(module) : module,
);

function formerOrders(orders: Module): Module {
  const { aggregate, commands, projections, routes } = orders;
  const { [NEW_EVENT]: _, ...events } = aggregate.events;
  const formerEvents = { ...events, OrderShipped: [] };
  return {
    ...orders,
    aggregate: {
      ...aggregate,
      events: formerEvents,
      // Its snapshots have another shape.
      stateVersion: aggregate.stateVersion + 1,
      decider: {
        ...aggregate.decider,
        // What a switch does with a command that it has no case for: it falls through, and nothing sensible comes out.
        decide: (command: { readonly type: string }, state: object, by: Principal) =>
          command.type === NEW_COMMAND ? command : asBefore(aggregate.decider.decide(command, state, by) as Decided),
        evolve: (state: object, event: StoredEvent) =>
          aggregate.decider.evolve(state, {
            ...event,
            data: event.type === 'OrderShipped' ? { ...event.data, carrier: null } : event.data,
          }) as object,
      },
    },
    commands: (write) => {
      const { [NEW_COMMAND]: __, ...former } = commands(write);
      return former;
    },
    projections: projections.map((projection) => formerProjection(projection, formerEvents)),
    routes: routes.filter(({ path }) => !path.endsWith('/returns')),
  };
}

type Decided = Decision<DomainEvent>;

/** Shipments had no carrier. */
function asBefore(decided: Decided): Decided {
  if (!Array.isArray(decided)) return decided;
  return (decided as readonly DomainEvent[]).map((event) => {
    if (event.type !== 'OrderShipped') return event;
    const { carrier: _, ...data } = event.data as Record<string, unknown>;
    return { ...event, data };
  });
}

function formerProjection(projection: Projection, events: Projection['follows'][string]): Projection {
  const { [NEW_EVENT]: _, ...handlers } = projection.handlers;
  const shipped = handlers['OrderShipped'];
  return {
    ...projection,
    follows: { [order.category]: events },
    handlers: {
      ...handlers,
      ...(shipped !== undefined &&
        shipped !== 'ignored' && {
          OrderShipped: {
            ...shipped,
            ...(shipped.change && {
              change: (row, event) =>
                shipped.change?.(row, { ...event, data: { ...event.data, carrier: null } }) as typeof row,
            }),
          },
        }),
    },
  };
}
