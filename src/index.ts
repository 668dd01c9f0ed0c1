import { domain } from './domain.ts';
import { cloudflare } from './runtime.ts';
import { tidemark } from './tidemark.ts';

const { handler, Aggregate } = tidemark(domain, cloudflare);

/** Holds one aggregate for each object: wrangler.toml binds it as AGGREGATES. */
export { Aggregate };

/** `fetch` serves the HTTP API, `queue` moves the projections. */
export default handler;
