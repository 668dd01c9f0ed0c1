import { vi } from 'vitest';

/** Lines that mean that something went wrong which nobody had foreseen. (Each request is answered whatever they say.) */
const FAULT =
  /"event":"(?:internal-error|command\.projection-failed|[a-z.-]+failed|[a-z-]+\.fault|command\.outcome-unknown)"/;

/** Listens to everything that is logged. `take` gives the lines that tell of a fault since it was last asked. */
export function faultsInLogs() {
  const faults: string[] = [];
  const heard = (isFault: (line: string) => boolean) =>
    function listen(this: unknown, ...parts: readonly unknown[]) {
      const line = parts.map(String).join(' ');
      if (isFault(line)) faults.push(line);
    };
  // Workers write errors that nobody caught to the console as well.
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(heard((line) => FAULT.test(line))),
    vi.spyOn(console, 'warn').mockImplementation(heard(() => true)),
    vi.spyOn(console, 'error').mockImplementation(heard(() => true)),
  ];
  return {
    take: (): readonly string[] => faults.splice(0),
    end: () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
}
