import { orders } from './orders/module.ts';
import { products } from './products/module.ts';
import { priceList } from './products/price-list.ts';

/** What the system is about: one line for each module. */
export const domain = [products, orders(priceList)];
