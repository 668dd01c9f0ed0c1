/**
 * Makes `package-lock.json` and `bench/package-lock.json` list the optional packages of every platform.
 *
 *     node scripts/complete-lock-file.ts           adds the missing packages
 *     node scripts/complete-lock-file.ts --check   changes nothing, fails when a package is missing
 *
 * Native tools (workerd, oxlint, rolldown …) ship one optional package per platform. A registry mirror that
 * lags behind may lack some of them; npm then leaves them out of the lock file, and `npm ci` of npm 11 refuses
 * that file (`EUSAGE … Missing`), on some platforms or on all. This script adds an entry with `version`, `os`,
 * `cpu` and `optional`. That is enough for npm, and lets the other platforms install their package.
 *
 * It also removes `resolved`, so that the file names no registry's address.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';

interface LockedPackage {
  version?: string;
  resolved?: string;
  link?: boolean;
  cpu?: string[];
  dev?: boolean;
  libc?: string[];
  optional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

interface LockFile {
  packages: Record<string, LockedPackage>;
}

/** A fork may delete bench/. */
const LOCK_FILES = ['package-lock.json', ...(existsSync('bench') ? ['bench/package-lock.json'] : [])];
const exactVersion = /^\d+\.\d+\.\d+(?:[-+].+)?$/;

const operatingSystems: Record<string, string> = {
  aix: 'aix',
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  win: 'win32',
  win32: 'win32',
  windows: 'win32',
};

const processors: Record<string, string> = {
  '64': 'x64',
  arm: 'arm',
  arm64: 'arm64',
  ia32: 'ia32',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64',
};

const cLibraries: Record<string, string> = { gnu: 'glibc', musl: 'musl' };

/** The platform of a package, from a name such as `@oxlint/binding-linux-x64-musl`. npm would read it from the package itself. */
function platformOf(name: string): { cpu: string[]; libc?: string[]; os: string[] } {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-');
  const first = (known: Record<string, string>) => words.flatMap((word) => known[word] ?? []).slice(0, 1);
  const os = first(operatingSystems);
  const cpu = first(processors);
  if (os.length === 0 || cpu.length === 0)
    throw new Error(`The name ${name} does not show the platform of the package.`);
  const libc = os[0] === 'linux' ? first(cLibraries) : [];
  return { cpu, ...(libc.length > 0 && { libc }), os };
}

/** The place from which a package at `from` loads `name`, by Node's walk upwards; undefined if the lock file has none. */
function findInstalled(packages: LockFile['packages'], from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[candidate] !== undefined) return candidate;
    if (folder === '') return undefined;
  }
}

/** Adds every missing optional package, and returns their places in the lock file. */
function addMissing(packages: LockFile['packages']): string[] {
  const added: string[] = [];
  for (const [parent, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const installed = findInstalled(packages, parent, name);
      const isExact = exactVersion.test(version);
      // Native tools pin their packages exactly. A range is met by whatever npm found for it.
      if (installed !== undefined && (!isExact || packages[installed]?.version === version)) continue;
      if (!isExact) throw new Error(`${parent} needs ${name}@${version}, which is not an exact version.`);

      const folder = installed === undefined || parent === '' ? '' : `${parent}/`;
      const place = `${folder}node_modules/${name}`;
      const { cpu, libc, os } = platformOf(name);
      // In npm's order of members: otherwise npm would rewrite the file.
      packages[place] = { version, cpu, ...(dev && { dev }), ...(libc && { libc }), optional: true, os };
      added.push(place);
    }
  }
  return added;
}

/** Removes the addresses of registries, and returns the places that had one. */
function removeAddresses(packages: LockFile['packages']): string[] {
  const withAddress = Object.keys(packages).filter(
    (place) => packages[place]?.resolved !== undefined && !packages[place].link,
  );
  for (const place of withAddress) delete packages[place]?.resolved;
  return withAddress;
}

for (const name of LOCK_FILES) {
  const lockFile = new URL(`../${name}`, import.meta.url);
  const lock = JSON.parse(readFileSync(lockFile, 'utf8')) as LockFile;
  const added = addMissing(lock.packages);
  const cleaned = removeAddresses(lock.packages);

  if (added.length === 0 && cleaned.length === 0) {
    console.log(`${name} lists every platform.`);
  } else if (process.argv.includes('--check')) {
    for (const place of added) console.error(`${name} lacks ${place}`);
    for (const place of cleaned) console.error(`${name} has a registry's address at ${place}`);
    console.error('Run `npm run lock`, then commit the file.');
    process.exitCode = 1;
  } else {
    // npm sorts the places like this.
    lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
    writeFileSync(lockFile, `${JSON.stringify(lock, undefined, 2)}\n`);
    console.log(`${name}: added ${added.length} packages and removed ${cleaned.length} addresses.`);
  }
}
