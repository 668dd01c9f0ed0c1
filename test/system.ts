import { access } from '../src/access.ts';
import { bindings } from '../src/bindings.ts';
import { domain } from '../src/domain.ts';
import { tallies } from './support/tally-routes.ts';

/** The whole system as in production, and a domain for tests. */
export const system = { modules: [...domain, tallies], bindings, access };
