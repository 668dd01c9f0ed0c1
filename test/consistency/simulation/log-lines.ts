import type { World } from './world.ts';

/** Counts the structured log lines: they tell which ways of recovery were taken. Returns what puts the console back. */
export function readLogLines(world: World): () => void {
  const { log } = console;
  console.log = (line: unknown) => {
    const parsed =
      typeof line === 'string' && line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
    const { event, cause, error, projection, stream } = parsed;
    if (typeof event === 'string') world.count(`log ${event}${typeof cause === 'string' ? ` ${cause}` : ''}`);
    // Poison is what a broken handler or damaged tables refuse, and here no other projection or stream has any.
    const isRefusal = event === 'projection.refused' || event === 'projection.dead-letter';
    const isExplained =
      world.everBroken.has(String(projection)) || world.troubles.hasStruck(String(projection), String(stream));
    if (isRefusal && !isExplained) world.verdicts.push(`refused without a cause (I17): ${String(line)}`);
    if (event === 'internal-error') world.verdicts.push(`an internal error: ${String(error)}`);
  };
  return () => {
    console.log = log;
  };
}
