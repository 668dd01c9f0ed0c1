import { type SumAnswer, type SumOperation, categoryOf } from './history.ts';
import { type Report, capital, who, withTokens } from './violation.ts';

/**
 * What a stream adds to the figures of a sum at a version (0: the stream does not exist). If that depends on something that a client cannot
 * know, the result has each possibility, and one of them is right. `branch` counts the logs that the stream has had, from 0.
 */
export type AddedFigures = (
  operation: SumOperation,
  stream: string,
  version: number,
  branch: number,
) => readonly Readonly<Record<string, bigint>>[];

/** At which versions each stream may have been counted. */
interface Bounds {
  readonly streams: readonly string[];
  /**
   * Those from what the token vouches for to what had been asked for by then; of a stream whose log was set back, in each of the logs that it
   * has had.
   */
  readonly counted: (stream: string) => readonly { readonly version: number; readonly branch: number }[];
}

/**
 * Judges the figures of a sum by bounds: each stream was counted at some version between what the token vouches for and what had been asked
 * for by then, and so adds something between the least and the most of what it adds there. That is exact where nothing is written
 * meanwhile; while something is, a wrong sum within the bounds goes unnoticed (to look for the very versions would be a knapsack problem).
 */
export function checkSum(
  operation: SumOperation,
  { figures }: SumAnswer,
  adds: AddedFigures,
  report: Report,
  { streams, counted }: Bounds,
): void {
  const least = new Map<string, bigint>();
  const most = new Map<string, bigint>();
  for (const stream of streams) {
    if (!operation.categories.includes(categoryOf(stream))) continue;
    const added = counted(stream).flatMap(({ version, branch }) => adds(operation, stream, version, branch));
    // An answer that no log can explain is judged elsewhere.
    if (added.length === 0) return;
    for (const name of Object.keys(figures)) {
      const values = added.map((figuresAt) => figuresAt[name] ?? 0n);
      least.set(name, (least.get(name) ?? 0n) + values.reduce((one, other) => (other < one ? other : one)));
      most.set(name, (most.get(name) ?? 0n) + values.reduce((one, other) => (other > one ? other : one)));
    }
  }
  for (const [name, text] of Object.entries(figures)) {
    const [value, low, high] = [BigInt(text), least.get(name) ?? 0n, most.get(name) ?? 0n];
    if (value >= low && value <= high) continue;
    const range = low === high ? `it is ${low}` : `it lies between ${low} and ${high}`;
    const why = `${capital(who(operation))} got ${name} = ${value} from ${operation.readModel}, ${withTokens(operation)}; by what that has seen, and what had been written, ${range}.`;
    report('impossible-sum', [operation], null, why);
  }
}
