import { v5 as nameBasedUuid } from 'uuid';
import * as z from 'zod/mini';

import {
  type CommandOf,
  type Decision,
  type EventOf,
  type Principal,
  type RecordedEvent,
  type Rejection,
  aggregate,
  commands,
  described,
  events,
  text,
} from '#tidemark';

import type { Money } from '../money.ts';
import { MoneySchema, NewSku, Price } from '../schemas.ts';
import { normalSku } from '../sku.ts';

// Events

const productEvents = events({
  ProductCreated: { sku: z.string(), name: z.string(), category: z.string(), price: MoneySchema },
  PriceUpdated: { from: MoneySchema, to: MoneySchema, reason: z.string() },
});
export type ProductEvent = EventOf<typeof productEvents>;

// Commands

const productCommands = commands('productId', {
  CreateProduct: { name: text(200), price: Price, category: text(100), sku: NewSku },
  UpdatePrice: { price: Price, reason: text(500) },
});
export type ProductCommand = CommandOf<typeof productCommands>;

export type ProductRefusal = Rejection<'sku-taken' | 'price-not-positive' | 'forbidden' | 'not-found'>;

// State

export type Product =
  | { readonly status: 'absent' }
  | {
      readonly status: 'listed';
      readonly sku: string;
      readonly name: string;
      readonly category: string;
      readonly price: Money;
      readonly createdAt: string;
      readonly updatedAt: string;
    };

/** The namespace of ids that follow from SKUs. Never change it: existing products would no longer be found. */
const SKU_NAMESPACE = 'a5b1f1a4-3c0e-4f0a-9a55-7d3a4a1f6f0e';

/** The id of the product with this SKU. It follows from the SKU, so a second product with the same SKU reaches the stream of the first. */
export function productIdOf(sku: string): string {
  return nameBasedUuid(normalSku(sku), SKU_NAMESPACE);
}

/** The largest factor by which a program may change a price at once: it may mistake cents for euros. */
const MAX_FACTOR_OF_PROGRAMS = 10;

function decide(command: ProductCommand, product: Product, by: Principal): Decision<ProductEvent, ProductRefusal> {
  switch (command.type) {
    case 'CreateProduct': {
      const { sku, name, category, price } = command.data;
      if (product.status === 'listed') {
        return {
          code: 'sku-taken',
          message: `The SKU ${product.sku} belongs to another product.`,
          details: { sku: product.sku },
        };
      }
      if (price.amount <= 0) return priceNotPositive();
      return [{ type: 'ProductCreated', data: { sku: normalSku(sku), name, category, price } }];
    }
    case 'UpdatePrice': {
      const { price, reason } = command.data;
      if (product.status === 'absent') return { code: 'not-found', message: 'There is no such product.' };
      if (price.amount <= 0) return priceNotPositive();
      if (by.kind === 'key' && isLeap(product.price, price)) {
        const message = `An API key may change a price at most by a factor of ${MAX_FACTOR_OF_PROGRAMS}. Let a person change it.`;
        return { code: 'forbidden', message };
      }
      return [{ type: 'PriceUpdated', data: { from: product.price, to: price, reason } }];
    }
    default:
      return command satisfies never;
  }
}

function isLeap(from: Money, to: Money): boolean {
  const factor = Math.max(from.amount / to.amount, to.amount / from.amount);
  return from.currency === to.currency && factor > MAX_FACTOR_OF_PROGRAMS;
}

function priceNotPositive(): ProductRefusal {
  return { code: 'price-not-positive', message: 'Price must be positive' };
}

function evolve(product: Product, event: RecordedEvent<ProductEvent>): Product {
  switch (event.type) {
    case 'ProductCreated': {
      const { sku, name, category, price } = event.data;
      return { status: 'listed', sku, name, category, price, createdAt: event.recordedAt, updatedAt: event.recordedAt };
    }
    case 'PriceUpdated':
      return product.status === 'absent' ? product : { ...product, price: event.data.to, updatedAt: event.recordedAt };
    default:
      return event satisfies never;
  }
}

export const product = aggregate({
  category: 'product',
  events: productEvents,
  commands: productCommands,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  stateVersion: 1,
  refusals: {
    'sku-taken': {
      status: 409,
      title: 'SKU taken',
      advice: 'Another product has this SKU. Change that product, or choose another SKU.',
      members: {
        shape: { sku: described(z.string(), 'The SKU, in its normal form.') },
        example: { sku: 'TIDE-2027' },
      },
      of: ['CreateProduct'],
    },
    'price-not-positive': {
      status: 422,
      title: 'Price not positive',
      advice: 'Send a price of at least one minor unit.',
      of: ['CreateProduct', 'UpdatePrice'],
    },
    forbidden: { of: ['UpdatePrice'] },
  },
});
