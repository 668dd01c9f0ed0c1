import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Objects that only a finished collection sets free are free after the next. */
const COLLECTIONS = 2;

const LOOK_EVERY_MS = 10;

/** https://chromedevtools.github.io/devtools-protocol/tot/Runtime/#method-getHeapUsage */
interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize: number;
  readonly backingStorageSize: number;
}

/** What is in use in a Worker's heap when its garbage has been collected: JavaScript's objects, the runtime's, and the buffers of both. */
export async function usedHeapBytes(inspectorPort: number, url: string): Promise<number> {
  // The name that `server-process.ts` gives to every contender.
  const inspector = await connect(`ws://127.0.0.1:${inspectorPort}/core:user:contender`);
  try {
    for (let done = 0; done < COLLECTIONS; done += 1) {
      const isCollected = inspector.ask('HeapProfiler.collectGarbage').then(() => true);
      // workerd puts it off until the isolate runs again, and a request may be there before the command is.
      do await (await fetch(url)).arrayBuffer();
      while (!(await Promise.race([isCollected, sleep(LOOK_EVERY_MS, false)])));
    }
    const usage = await inspector.ask<HeapUsage>('Runtime.getHeapUsage');
    return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize;
  } finally {
    await inspector.close();
  }
}

async function connect(url: string) {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const waiting = new Map<number, (result: unknown) => void>();
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  return {
    ask<Result>(method: string): Promise<Result> {
      lastId += 1;
      const answered = Promise.withResolvers<Result>();
      waiting.set(lastId, answered.resolve as (result: unknown) => void);
      socket.send(JSON.stringify({ id: lastId, method }));
      return answered.promise;
    },
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}
