import { bindings } from '../src/bindings.ts';
import { domain } from '../src/domain.ts';
import { tidemark } from '../src/tidemark/worker.ts';
import { platform } from './support/platform.ts';
import { tally } from './support/tally.ts';

// The whole system as in production, on a platform whose single ports a test can replace.
const { handler, Aggregate, Rebuild, runtimeOf } = tidemark({ modules: [...domain, tally], bindings, platform });

export { Aggregate, Rebuild, runtimeOf };
export default handler;
