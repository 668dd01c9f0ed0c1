import { simulated } from '../../domain.ts';
import { seatDomain } from './seat-domain.ts';
import { simulatedSystem } from './simulated-platform.ts';
import { tallies } from './tally-domain.ts';

/** The simulated domains: that of src/domain.ts, where it has modules, and those of tests. */
export const domains = [simulated, tallies, seatDomain].filter(({ modules }) => modules.length > 0);

/** The whole system as in production, on the simulation's ports. */
export const system = simulatedSystem(
  domains.flatMap(({ modules }) => modules),
  domains.flatMap(({ modules, formerModules = modules }) => formerModules),
);

export const { Aggregate, Rebuild } = system;
export default system.handler;
