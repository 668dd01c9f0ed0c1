import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections: one of these could take a port between the probe and the server's start. */
const FIRST = 20_000;
const COUNT = 12_000;
const MAX_TRIES = 100;

/** A port that nobody listens at. Throws if it finds none. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${FIRST} to ${FIRST + COUNT}`);
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
