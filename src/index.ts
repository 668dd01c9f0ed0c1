import { tidemark } from '#tidemark/worker';
import { system } from './system.ts';

const { handler, Aggregate, Rebuild } = tidemark(system);

/** Holds one aggregate for each object: wrangler.toml binds it as AGGREGATES. */
export { Aggregate };

/** Does the work of a projection's build: wrangler.toml binds it as REBUILDS. */
export { Rebuild };

/** `fetch` serves the HTTP API, `queue` moves the projections, `scheduled` does what the clock asks for. */
export default handler;
