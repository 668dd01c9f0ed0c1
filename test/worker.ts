import { tidemark } from '../src/tidemark/worker.ts';
import { platform } from './support/platform.ts';
import { system } from './system.ts';

// On a platform whose single ports a test can replace.
export const { modules } = system;
const { handler, Aggregate, Rebuild, runtimeOf } = tidemark({ ...system, platform });

export { Aggregate, Rebuild, runtimeOf };
export default handler;
