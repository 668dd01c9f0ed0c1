import { DurableObject } from 'cloudflare:workers';
import { CommandHandler, NoRetries, inlineProjections, isExpectedVersionConflictError } from '@event-driven-io/emmett';
import { type SQLiteEventStore, getSQLiteEventStore } from '@event-driven-io/emmett-sqlite';

import type { RecordedEvent } from '../../../src/tidemark/domain/event.ts';
import { type Rejection, isRejection } from '../../../src/tidemark/domain/decider.ts';
import {
  type Product,
  type ProductCommand,
  type ProductEvent,
  product as aggregate,
} from '../../../src/shop/products/product.ts';
import { connectionsTo } from './object-connection.ts';
import { productCatalog } from './product-projection.ts';

/** What is kept with each event. Emmett has no place of its own for the time. */
interface Metadata extends Record<string, string> {
  readonly recordedAt: string;
  readonly correlationId: string;
  readonly actor: string;
}

export type StoredProductEvent = ProductEvent & { readonly kind: 'Event'; readonly metadata: Metadata };

type Outcome =
  | { readonly outcome: 'applied'; readonly version: number }
  | { readonly outcome: 'rejected'; readonly rejection: Rejection }
  | { readonly outcome: 'version-mismatch' };

/** A refusal on its way through Emmett, which knows only events and exceptions. */
class Refused extends Error {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(rejection.message);
    this.rejection = rejection;
  }
}

const { decider } = aggregate;

const handle = CommandHandler<Product, StoredProductEvent>({
  initialState: () => decider.initialState,
  evolve,
  mapToStreamId: (productId) => `${aggregate.category}-${productId}`,
  retry: { onVersionConflict: true },
});

function evolve(product: Product, event: StoredProductEvent): Product {
  const recorded = { ...event, recordedAt: event.metadata.recordedAt };
  // The rest of Tidemark's envelope is nothing that the product's `evolve` looks at.
  return decider.evolve(product, recorded as unknown as RecordedEvent<ProductEvent>);
}

function decide(command: ProductCommand, product: Product, metadata: Metadata): StoredProductEvent[] {
  const decision = decider.decide(command, product);
  if (isRejection(decision)) throw new Refused(decision);
  return decision.map((event) => ({ ...event, kind: 'Event', metadata }));
}

/** All products: Emmett's event store, with its read model, in the database of this one object. */
export class ProductStore extends DurableObject {
  readonly #store: SQLiteEventStore;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#store = getSQLiteEventStore({
      fileName: undefined,
      pool: connectionsTo(ctx.storage),
      projections: inlineProjections([productCatalog]),
    });
  }

  async execute(
    productId: string,
    command: ProductCommand,
    metadata: Metadata,
    expectedVersion: number | undefined,
  ): Promise<Outcome> {
    const expected =
      expectedVersion === undefined ? {} : { expectedStreamVersion: BigInt(expectedVersion), retry: NoRetries };
    try {
      const { nextExpectedStreamVersion } = await handle(
        this.#store,
        productId,
        (product) => decide(command, product, metadata),
        expected,
      );
      return { outcome: 'applied', version: Number(nextExpectedStreamVersion) };
    } catch (error) {
      if (error instanceof Refused) return { outcome: 'rejected', rejection: error.rejection };
      if (expectedVersion !== undefined && isExpectedVersionConflictError(error))
        return { outcome: 'version-mismatch' };
      throw error;
    }
  }
}
