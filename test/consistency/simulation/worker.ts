import { shop } from '../../shop/consistency/shop.ts';
import { simulatedSystem } from './simulated-platform.ts';
import { tallies } from './tally-domain.ts';

/** The simulated domains. A fork lists its own here. */
export const domains = [shop, tallies];

/** The whole system as in production, on the simulation's ports. */
export const system = simulatedSystem(
  domains.flatMap(({ modules }) => modules),
  domains.flatMap(({ modules, formerModules = modules }) => formerModules),
);

export const { Aggregate, Rebuild } = system;
export default system.handler;
