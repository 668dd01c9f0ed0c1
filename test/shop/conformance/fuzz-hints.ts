import fc from 'fast-check';

import type { DomainHints } from '../../conformance/fuzz/domain-hints.ts';
import { createProduct, orderAfter, returnItems } from '../api.ts';

/** The steps of the first orders. */
const LIVES = [[], ['shipment'], ['cancellation'], ['shipment', 'delivery']] as const;

/** SKUs that exist, prices that are mostly good, and orders in every state. */
export const shopHints: DomainHints = {
  valuesOf(operation, name, existing) {
    switch (name) {
      case 'sku':
        // A new one if it has to be new, else an existing one.
        return operation.name === 'POST /products'
          ? fc.oneof({ weight: 9, arbitrary: fc.uuid() }, { weight: 1, arbitrary: existing('sku', fc.uuid()) })
          : existing('sku', fc.uuid());
      case 'currency':
        return fc.constantFrom('EUR', 'EUR', 'EUR', 'USD', 'JPY');
      case 'amount':
        // Zero and below are well-formed as well: the domain refuses them.
        return fc.oneof(
          { weight: 6, arbitrary: fc.integer({ min: 1, max: 9_000_000_000 }) },
          { weight: 1, arbitrary: fc.integer({ min: -10, max: 1 }) },
        );
      default:
        return undefined;
    }
  },
  async begin({ know, learn }) {
    for (const currency of ['EUR', 'EUR', 'EUR', 'USD']) {
      const { answer, sku } = await createProduct({ price: { amount: 1999, currency } });
      know('sku', sku);
      await learn(answer);
    }
    for (const steps of LIVES) await learn((await orderAfter(steps)).answer);
    const { orderId, items } = await orderAfter(['shipment', 'delivery']);
    await learn(await returnItems(orderId, items));
  },
};
