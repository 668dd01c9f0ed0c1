import type { Server } from './server.ts';

/**
 * Measures contenders in turns: A B, B A, A B … so that what drifts on the machine hits all of them alike. While one has its turn the
 * others are halted. Returns what was measured, by contender, in the order of the turns.
 */
export async function inTurns<Measure>(
  servers: readonly Server[],
  turns: number,
  measure: (server: Server, turn: number) => Promise<Measure>,
): Promise<readonly (readonly Measure[])[]> {
  const measured = servers.map((): Measure[] => []);
  for (const server of servers) server.pause();
  for (let turn = 0; turn < turns; turn += 1) {
    const order = servers.map((_, index) => index);
    if (turn % 2 === 1) order.reverse();
    for (const index of order) {
      const server = servers[index] as Server;
      server.resume();
      measured[index]?.push(await measure(server, turn));
      server.pause();
    }
  }
  for (const server of servers) server.resume();
  return measured;
}
