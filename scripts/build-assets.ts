/**
 * Makes the static assets that wrangler serves and deploys beside the Worker: `npm run build:assets`. Wrangler runs it by itself: [build] in
 * wrangler.toml says so, and [assets] names the folder.
 */
import { writeAssets } from './assets.ts';

await writeAssets('../src/system.ts', 'assets');
