import { bindings } from '../../src/bindings.ts';
import { seats } from './seats/module.ts';

/** The framework with the guide's domain alone: it has to work without the shop. */
export const system = {
  modules: [seats],
  bindings,
  access: { scopes: { 'seats:write': 'Add, reserve and release seats.' } },
};
