/**
 * Prints the size of a built Worker: `npm run build:size` after `npm run build`. Fails unless the size is below `--below <KiB>`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

/** The gzipped size, in bytes, of the files that wrangler uploads from a bundle's folder. */
export function bundleBytes(folder: string): number {
  const uploaded = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.map') && entry.name !== 'README.md')
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
  return gzipSync(Buffer.concat(uploaded), { level: 9 }).byteLength;
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { below: { type: 'string' } } });
  const [folder] = positionals;
  if (folder === undefined || values.below === undefined)
    throw new Error('Name a folder and a limit in KiB, for example: dist --below 134.');
  const kiB = bundleBytes(folder) / 1_024;
  console.log(`Bundle: ${kiB.toFixed(1)} KiB gzipped. It must be below ${values.below} KiB.`);
  if (kiB >= Number(values.below)) {
    console.error('The bundle is too large.');
    process.exit(1);
  }
}
