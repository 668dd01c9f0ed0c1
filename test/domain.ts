import { domain } from '../src/domain.ts';
import { simulatedDomain } from './consistency/simulation/declared-domain.ts';
import { shopRules } from './shop/consistency/shop.ts';
import { orderIntents } from './shop/orders/order-intents.ts';
import { productIntents } from './shop/products/product-intents.ts';

/*
 * What tests know of src/domain.ts beside what it says itself. domain-requests.ts has more, for tests that go over HTTP.
 */

/** The commands that clients send: one line for each module. */
export const intents = [productIntents, orderIntents];

/** The modules as the simulation runs them. The shop has rules of its own; without them, the declarations of the modules are the rules. */
export const simulated = simulatedDomain(domain, intents, shopRules);

/** What no deployment has had yet: aggregates, event types and read models. `npm run golden` empties the list before the first. */
export const unreleased: readonly string[] = [];
