/**
 * Writes the golden files that are missing: `npm run golden`. They keep, for ever, how events are stored and what comes of them. It changes no
 * file that exists.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const { stdout } = spawnSync('vitest', ['run', 'test/golden'], { encoding: 'utf8', maxBuffer: 1e9 });
const files = new Map(
  stdout
    .split('\n')
    .filter((line) => line.includes('@@ {'))
    .map((line) => JSON.parse(line.slice(line.indexOf('@@ {') + '@@ '.length)) as { path: string; text: string })
    .filter(({ path }) => !existsSync(path))
    .map(({ path, text }) => [path, text] as const),
);
for (const [path, text] of files) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`Wrote ${path}.`);
}
if (files.size === 0) console.log('No golden file is missing.');
else
  console.log(
    'Read what the files in made/ say. Run `npx vitest run test/golden`. Then commit all of them, and never change logs/ and snapshots/.',
  );
