import { bindings } from '../../src/bindings.ts';
import { tidemark } from '../../src/tidemark/worker.ts';
import { seats } from './seats/module.ts';

// The framework with the guide's domain alone: it has to work without the shop.
const { handler, Aggregate, Rebuild } = tidemark({
  modules: [seats],
  bindings,
  access: { scopes: { 'seats:write': 'Add, reserve and release seats.' } },
});

export { Aggregate, Rebuild };
export default handler;
