import * as z from 'zod/mini';

import { eventSchemas } from '../../http/event-schemas.ts';
import { MoneySchema } from '../schemas.ts';
import type { ProductEvent } from './product.ts';

/** The events of a product as the feed and the log show them. */
export const productEvents = eventSchemas<ProductEvent>()({
  ProductCreated: z.strictObject({ sku: z.string(), name: z.string(), category: z.string(), price: MoneySchema }),
  PriceUpdated: z.strictObject({ from: MoneySchema, to: MoneySchema, reason: z.string() }),
});
