import { order } from '../../../src/shop/orders/order.ts';
import { categoryOf } from '../../consistency/history.ts';
import { type Logs as NaiveLogs } from '../../consistency/applied.ts';
import type { OwnRules } from '../../consistency/simulation/declared-domain.ts';
import { canonical } from '../../consistency/simulation/domain.ts';
import { knownShop } from '../known-shop.ts';
import { formerShop } from './former-shop.ts';
import { membershipOf } from './membership.ts';
import { foldOrder, foldProduct } from './naive-folds.ts';
import { judgeShopAtRest } from './shop-at-rest.ts';
import { shopReads } from './shop-reads.ts';

/**
 * The shop's own rules in the simulation. Its oracles fold the logs again, as naively as possible and without a line of the system's code, and
 * its clients also search and sum up.
 */
export const shopRules: OwnRules = {
  readModels: ['product-catalog', 'order-lookup', 'order-search', 'order-analytics', 'dashboard'],
  formerModules: formerShop,
  begin: (known) => ({
    reads: shopReads(knownShop(known)),

    saw({ type, data }) {
      if (type !== 'OrderPlaced') return {};
      const lines = data['lines'] as unknown as readonly { productId: string; productVersion: number }[];
      return Object.fromEntries(lines.map(({ productId, productVersion }) => [`product-${productId}`, productVersion]));
    },

    contentOf(stream, events) {
      const fold = categoryOf(stream) === order.category ? foldOrder : foldProduct;
      return canonical(fold(events as unknown as NaiveLogs[string]));
    },

    membership: (logs, skipped) => membershipOf(logs as unknown as NaiveLogs, { skipped, held: [] }),

    judgeAtRest: (rest) => judgeShopAtRest(rest, knownShop(known)),
  }),
};
