import { domain } from '../src/domain.ts';
import { simulatedDomain } from './consistency/simulation/declared-domain.ts';
import { shopHints } from './shop/conformance/fuzz-hints.ts';
import { writtenToday } from './shop/golden/written-today.ts';
import { shopRules } from './shop/consistency/shop.ts';
import { orderIntents } from './shop/orders/order-intents.ts';
import { productIntents } from './shop/products/product-intents.ts';

/*
 * What tests know of src/domain.ts beside what it says itself.
 */

/** The commands that clients send: one line for each module. */
export const intents = [productIntents, orderIntents];

/** The modules as the simulation runs them. The shop has rules of its own; without them, the declarations of the modules are the rules. */
export const simulated = simulatedDomain(domain, intents, shopRules);

/** Streams in which today's code has written every type of event, in every form: see test/golden. */
export const written = writtenToday;

/** What helps requests of the fuzz test past the refusals of the domain. */
export const fuzzHints = shopHints;
