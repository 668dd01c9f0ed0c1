import type { World } from './world.ts';

/** Counts the structured log lines, which tell the recovery paths that ran. Returns a function that restores the console. */
export function readLogLines(world: World): () => void {
  const { log } = console;
  console.log = (line: unknown) => {
    const parsed =
      typeof line === 'string' && line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
    const { event, cause, error, projection, stream } = parsed;
    if (typeof event === 'string') world.count(`log ${event}${typeof cause === 'string' ? ` ${cause}` : ''}`);
    // Only a log that was set back is another than it was; and poison is only what a broken handler or damaged tables refuse.
    const isRefusal = event === 'projection.refused' || event === 'projection.dead-letter';
    const [name, id] = [String(projection), String(stream)];
    const isRestored = cause === 'log-restored';
    const isExplained = isRestored
      ? world.setBacks.hasLog(id)
      : world.everBroken.has(name) ||
        world.troubles.hasStruck(name, id) ||
        // A first suspicion may fall on one stream of a projection that is damaged for all. A dead letter may not come of it.
        (event === 'projection.refused' && world.troubles.hasStruckAll(name));
    if (event === 'projection.dead-letter' && isRestored && !world.builds.isAtWorkOn(name))
      world.setBacks.stop(name, id, world.recorder.moment());
    if (isRefusal && !isExplained) world.verdicts.push(`refused without a cause (I17): ${String(line)}`);
    if (event === 'internal-error') world.verdicts.push(`an internal error: ${String(error)}`);
  };
  return () => {
    console.log = log;
  };
}
