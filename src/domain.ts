import { apiKeys } from '#tidemark';
import type { Module } from '#tidemark/worker';
import { access } from './access.ts';
import { serving } from './groups.ts';
import { orders } from './shop/orders/module.ts';
import { products } from './shop/products/module.ts';
import { priceList } from './shop/products/price-list.ts';

/** What the system is about: one line for each module. */
export const domain: readonly Module[] = [
  products,
  orders(priceList),
  // The framework's own subject.
  apiKeys(serving, access),
];

/** The title and the description of the HTTP API. */
export const api = { title: 'Tidemark', description: 'Products and orders, event-sourced at the edge.' };
