import { v5 as nameBasedUuid } from 'uuid';

import type { DomainEvent } from '../../eventsourcing/event.ts';
import type { AggregateType } from '../../eventsourcing/write/aggregate-type.ts';
import type { Command, Decider, Decision, Rejection } from '../../eventsourcing/write/decider.ts';
import type { Money } from '../money.ts';
import { normalSku } from '../sku.ts';

// Events

export type ProductCreated = DomainEvent<
  'ProductCreated',
  { sku: string; name: string; category: string; price: Money }
>;
export type PriceUpdated = DomainEvent<'PriceUpdated', { from: Money; to: Money; reason: string }>;

export type ProductEvent = ProductCreated | PriceUpdated;

// Commands

export type CreateProduct = Command<'CreateProduct', { sku: string; name: string; category: string; price: Money }>;
export type UpdatePrice = Command<'UpdatePrice', { productId: string; newPrice: Money; reason: string }>;

export type ProductCommand = CreateProduct | UpdatePrice;

export type ProductRefusal = Rejection<'sku-taken' | 'price-not-positive' | 'not-found'>;

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

export const PRODUCT = 'product';

/** One fixed namespace for ids derived from SKUs. Never change it: existing products would no longer be found. */
const SKU_NAMESPACE = 'a5b1f1a4-3c0e-4f0a-9a55-7d3a4a1f6f0e';

/** The id of the product with this SKU. Since it follows from the SKU, a second product with the same one meets the first one's stream. */
export function productIdOf(sku: string): string {
  return nameBasedUuid(normalSku(sku), SKU_NAMESPACE);
}

function decide(command: ProductCommand, product: Product): Decision<ProductEvent, ProductRefusal> {
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
      const { newPrice, reason } = command.data;
      if (product.status === 'absent') return { code: 'not-found', message: 'There is no such product.' };
      if (newPrice.amount <= 0) return priceNotPositive();
      return [{ type: 'PriceUpdated', data: { from: product.price, to: newPrice, reason } }];
    }
    default:
      return command satisfies never;
  }
}

function priceNotPositive(): ProductRefusal {
  return { code: 'price-not-positive', message: 'Price must be positive' };
}

const evolve: Decider<Product, ProductCommand, ProductEvent>['evolve'] = (product, event) => {
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
};

export const productType: AggregateType<Product, ProductCommand, ProductEvent, ProductRefusal> = {
  category: PRODUCT,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  events: { ProductCreated: [], PriceUpdated: [] },
  stateVersion: 1,
};
