import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The installed version of a package of bench/package.json. */
export function versionOfBenchPackage(name: string): string {
  return versionOf(join(import.meta.dirname, 'node_modules', name));
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The versions and the machine of a result. */
export function versions(): Readonly<Record<string, string | number>> {
  const packageVersion = (name: string) => versionOf(join(ROOT, 'node_modules', name));
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  return {
    commit: `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--', 'src') === '' ? '' : ', changed since'}`,
    node: process.version,
    wrangler: packageVersion('wrangler'),
    miniflare: packageVersion('miniflare'),
    workerd: packageVersion('workerd'),
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
  };
}
