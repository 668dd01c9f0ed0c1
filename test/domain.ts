import { domain } from '../src/domain.ts';
import { simulatedDomain } from './consistency/simulation/declared-domain.ts';
import { shopRules } from './shop/consistency/shop.ts';
import { orderIntents } from './shop/orders/order-intents.ts';
import { keyIntents } from './tidemark/keys/key-intents.ts';
import { productIntents } from './shop/products/product-intents.ts';

/*
 * What tests know of src/domain.ts beside what it says itself. domain-requests.ts has more, for tests that go over HTTP.
 */

/** The commands that clients send: one line for each module. */
export const intents = [productIntents, orderIntents, keyIntents];

/** The modules as the simulation runs them. The shop has rules of its own; without them, the declarations of the modules are the rules. */
export const simulated = simulatedDomain(domain, intents, shopRules);

/**
 * The aggregates, event types and read models that no deployment has yet. They may change in any way, and have no golden files. Before the first
 * deployment, `npm run golden` writes the files and empties the list.
 */
export const unreleased: readonly string[] = [];
