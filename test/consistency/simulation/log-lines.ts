import type { World } from './world.ts';

/** Counts the structured log lines: they tell which ways of recovery were taken. Returns what puts the console back. */
export function readLogLines(world: World): () => void {
  const { log } = console;
  console.log = (line: unknown) => {
    const parsed =
      typeof line === 'string' && line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
    const { event, cause, error, projection } = parsed;
    if (typeof event === 'string') world.count(`log ${event}${typeof cause === 'string' ? ` ${cause}` : ''}`);
    // Poison is what a broken handler or a constraint refuses, and here no other projection has any.
    const isRefusal = event === 'projection.refused' || event === 'projection.dead-letter';
    if (isRefusal && !world.everBroken.has(String(projection)))
      world.verdicts.push(`refused without a cause (I17): ${String(line)}`);
    if (event === 'internal-error') world.verdicts.push(`an internal error: ${String(error)}`);
  };
  return () => {
    console.log = log;
  };
}
