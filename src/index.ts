import { tidemark } from '#tidemark/worker';
import { access } from './access.ts';
import { bindings } from './bindings.ts';
import { api, domain } from './domain.ts';

const { handler, Aggregate, Rebuild } = tidemark({ modules: domain, bindings, access, info: api });

/** Holds one aggregate for each object: wrangler.toml binds it as AGGREGATES. */
export { Aggregate };

/** Does the work of a projection's build: wrangler.toml binds it as REBUILDS. */
export { Rebuild };

/** `fetch` serves the HTTP API, `queue` moves the projections, `scheduled` does what the clock asks for. */
export default handler;
