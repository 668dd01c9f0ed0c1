/** Changes of files that exist: the script makes all of them, or tells the author what to do by hand. */
import type { FileChange } from './file-changes.ts';
import { type Insertion, type Source, withInsertions } from './source.ts';

/** Lines that belong to one place of a file. */
export interface Step {
  readonly file: Source;
  /** The place: `in the list of events`. */
  readonly where: string;
  readonly lines: readonly string[];
  /** Undefined: the file has no such place. */
  readonly insertions: readonly Insertion[] | undefined;
}

/** The files with the lines of all steps. Throws, with all lines, if a file lacks the place of a step. */
export function changesOf(steps: readonly Step[]): readonly FileChange[] {
  const unknown = steps.filter(({ insertions }) => insertions === undefined);
  if (unknown.length > 0) {
    const reasons = unknown.map(({ file, where }) => `${file.path} has no place "${where}".`);
    throw new Error(
      [
        `Nothing was written, since not every file has the shape of the guides. ${reasons.join(' ')} Add these lines by hand:`,
        ...steps.map(({ file, where, lines }) => [`${file.path}, ${where}:`, ...lines].join('\n    ')),
      ].join('\n\n'),
    );
  }
  const byFile = Map.groupBy(steps, ({ file }) => file);
  return [...byFile].map(([{ path, text }, own]) => {
    // Two read models of one file need the same import.
    const insertions = new Map(
      own.flatMap((step) => (step.insertions ?? []).map((one) => [`${one.at} ${one.text}`, one])),
    );
    return { path, text: withInsertions(text, [...insertions.values()]), isChanged: true };
  });
}
