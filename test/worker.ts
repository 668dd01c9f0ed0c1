import { access } from '../src/access.ts';
import { bindings } from '../src/bindings.ts';
import { domain } from '../src/domain.ts';
import { tidemark } from '../src/tidemark/worker.ts';
import { platform } from './support/platform.ts';
import { tallies } from './support/tally-routes.ts';

// The whole system as in production, on a platform whose single ports a test can replace.
export const modules = [...domain, tallies];
const { handler, Aggregate, Rebuild, runtimeOf } = tidemark({ modules, bindings, platform, access });

export { Aggregate, Rebuild, runtimeOf };
export default handler;
