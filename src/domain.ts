import { orders } from './shop/orders/module.ts';
import { products } from './shop/products/module.ts';
import { priceList } from './shop/products/price-list.ts';

/** What the system is about: one line for each module. */
export const domain = [products, orders(priceList)];
