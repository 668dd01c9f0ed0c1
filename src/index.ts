import { domain } from './domain.ts';
import { tidemark } from '#tidemark/worker';
import { bindings } from './bindings.ts';

const { handler, Aggregate, Rebuild } = tidemark({
  modules: domain,
  bindings,
  info: { title: 'Tidemark', description: 'Products and orders, event-sourced at the edge.' },
});

/** Holds one aggregate for each object: wrangler.toml binds it as AGGREGATES. */
export { Aggregate };

/** Does the work of a projection's build: wrangler.toml binds it as REBUILDS. */
export { Rebuild };

/** `fetch` serves the HTTP API, `queue` moves the projections, `scheduled` does what the clock asks for. */
export default handler;
