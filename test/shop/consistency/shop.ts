import { domain } from '../../../src/domain.ts';
import { order } from '../../../src/shop/orders/order.ts';
import { categoryOf } from '../../consistency/history.ts';
import { membershipOf } from './membership.ts';
import { foldOrder, foldProduct } from './naive-folds.ts';
import { type Logs as NaiveLogs } from '../../consistency/applied.ts';
import { type DomainRun, type SimulatedDomain, canonical } from '../../consistency/simulation/domain.ts';
import { formerShop } from './former-shop.ts';
import { judgeShopAtRest } from './shop-at-rest.ts';
import { type KnownShop, shopCommands } from './shop-commands.ts';
import { shopReads } from './shop-reads.ts';

/**
 * The shop: products and orders as deployed, and the intents of their clients. The oracles and the checker know the expected answers: they fold
 * the logs again, as naively as possible.
 */
export const shop: SimulatedDomain = {
  name: 'shop',
  modules: domain,
  formerModules: formerShop,
  begin({ seed }): DomainRun {
    const known: KnownShop = { products: [], orders: [] };
    return {
      generators: [...shopCommands(known, seed), ...shopReads(known)],

      saw({ type, data }) {
        if (type !== 'OrderPlaced') return {};
        const lines = data['lines'] as unknown as readonly { productId: string; productVersion: number }[];
        return Object.fromEntries(
          lines.map(({ productId, productVersion }) => [`product-${productId}`, productVersion]),
        );
      },

      contentOf(stream, events) {
        const fold = categoryOf(stream) === order.category ? foldOrder : foldProduct;
        return canonical(fold(events as unknown as NaiveLogs[string]));
      },

      membership: (logs, skipped) => membershipOf(logs as unknown as NaiveLogs, { skipped, held: [] }),

      judgeAtRest: (rest) => judgeShopAtRest(rest, known),
    };
  },
};
