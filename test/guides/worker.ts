import { cloudflare } from '../../src/tidemark/runtime/runtime.ts';
import { tidemark } from '../../src/tidemark/worker.ts';
import { seats } from './seats/module.ts';

// The framework with the guide's domain alone: it has to work without the shop.
const { handler, Aggregate, Rebuild } = tidemark([seats], cloudflare);

export { Aggregate, Rebuild };
export default handler;
