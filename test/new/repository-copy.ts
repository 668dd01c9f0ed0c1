/** A copy of this repository in a folder of its own, for scripts that write into it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

export interface Ended {
  readonly status: number | null;
  /** What it said, on both streams. */
  readonly said: string;
}

export interface RepositoryCopy {
  read(path: string): string;
  has(path: string): boolean;
  write(path: string, text: string): void;
  remove(path: string): void;
  /** Every file that a commit would have, with its text. */
  files(): ReadonlyMap<string, string>;
  /** Commits everything, for a script that asks for that. */
  commit(): void;
  /** Runs a script of `scripts/`. */
  script(name: string, ...args: readonly string[]): Ended;
  /** Runs a program of the packages, for example `tsc`, with further variables of the environment. */
  program(name: string, args: readonly string[], env?: NodeJS.ProcessEnv): Ended;
}

/** Copies the working tree, without what git ignores. The packages are those of this repository. */
export function copyRepository(folder: string): RepositoryCopy {
  const listed = listFiles(ROOT).filter((path) => existsSync(join(ROOT, path)));
  for (const path of listed) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  execFileSync('git', ['init', '--quiet'], { cwd: folder });

  function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
    const { status, stdout, stderr } = spawnSync(file, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', ...env },
    });
    return { status, said: `${stdout}${stderr}` };
  }

  return {
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    has: (path) => existsSync(join(folder, path)),
    write(path, text) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    },
    remove: (path) => rmSync(join(folder, path)),
    files: () => new Map(listFiles(folder).map((path) => [path, readFileSync(join(folder, path), 'utf8')])),
    commit() {
      execFileSync('git', ['add', '--all'], { cwd: folder });
      execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit', '--quiet', '-m', 'all'], {
        cwd: folder,
      });
    },
    script: (name, ...args) => run(process.execPath, [join(folder, `scripts/${name}.ts`), ...args]),
    program: (name, args, env) => run(join(ROOT, 'node_modules/.bin', name), args, env),
  };
}

/** The files of a working tree that git knows, or would add. */
function listFiles(folder: string): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return listed.split('\0').filter((path) => path !== '' && path !== 'node_modules');
}
