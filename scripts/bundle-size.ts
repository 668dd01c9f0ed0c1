/**
 * How large a built Worker is: `npm run build:size` after `npm run build`. Fails when it is not below so many KiB.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

/** Bytes, gzipped, of what is uploaded from the folder that wrangler bundled a Worker into. */
export function bundleBytes(folder: string): number {
  const uploaded = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.map') && entry.name !== 'README.md')
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
  return gzipSync(Buffer.concat(uploaded), { level: 9 }).byteLength;
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { below: { type: 'string' } } });
  const [folder] = positionals;
  if (folder === undefined || values.below === undefined) throw new Error('Which folder, and --below how many KiB?');
  const kiB = bundleBytes(folder) / 1_024;
  console.log(`Bundle: ${kiB.toFixed(1)} KiB gzipped, of less than ${values.below} KiB`);
  if (kiB >= Number(values.below)) {
    console.error('The bundle is too large.');
    process.exit(1);
  }
}
