/** Writes the files of a generator: all of them, or none. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The top of the repository. */
export const ROOT = join(import.meta.dirname, '../..');

/** A file's whole new text. */
export interface FileChange {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
  /** Whether the file is there already and gets another text. Default: false. */
  readonly isChanged?: boolean;
}

/** The result of a generator. */
export interface Written {
  readonly paths: readonly string[];
  /** What the author does next, one sentence each. */
  readonly next: readonly string[];
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/**
 * Writes and formats the files, then lets `complete` write what follows from them. Returns the paths of all files, in sequence. If a step fails,
 * every file is as it was before. Throws before the first write if a new file exists.
 */
export async function writeAll(
  changes: readonly FileChange[],
  complete: () => Promise<readonly FileChange[]> = async () => [],
): Promise<readonly string[]> {
  const former = new Map<string, string | undefined>();
  const folders: string[] = [];

  function write(files: readonly FileChange[]): void {
    const taken = files.filter(({ path, isChanged = false }) => !isChanged && existsSync(join(ROOT, path)));
    if (taken.length > 0) throw new Error(`${taken.map(({ path }) => path).join(', ')} exists already.`);
    for (const { path, text } of files) {
      const place = join(ROOT, path);
      former.set(path, existsSync(place) ? readFileSync(place, 'utf8') : undefined);
      const folder = mkdirSync(dirname(place), { recursive: true });
      if (folder !== undefined) folders.push(folder);
      writeFileSync(place, text.trimStart());
    }
  }

  try {
    write(changes);
    format(changes.map(({ path }) => path));
    write(await complete());
  } catch (error) {
    for (const [path, text] of former) {
      if (text === undefined) rmSync(join(ROOT, path), { force: true });
      else writeFileSync(join(ROOT, path), text);
    }
    for (const folder of folders) rmSync(folder, { recursive: true });
    throw error;
  }
  return [...former.keys()];
}

/** Runs the project's formatter on some files. */
function format(paths: readonly string[]): void {
  const formatter = join(ROOT, 'node_modules/oxfmt/bin/oxfmt');
  const { status, stderr } = spawnSync(process.execPath, [formatter, ...paths], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The formatter failed: ${stderr}`);
}
