import { vi } from 'vitest';

/** Log lines about unexpected faults. (Each request is answered even then.) */
const FAULT =
  /"event":"(?:internal-error|command\.projection-failed|[a-z.-]+failed|[a-z-]+\.fault|command\.outcome-unknown)"/;

/** Listens to the log. `take` gives the lines about faults since its last call. */
export function faultsInLogs() {
  const faults: string[] = [];
  const heard = (isFault: (line: string) => boolean) =>
    function listen(this: unknown, ...parts: readonly unknown[]) {
      const line = parts.map(String).join(' ');
      if (isFault(line)) faults.push(line);
    };
  // Workers also write uncaught errors to the console.
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
