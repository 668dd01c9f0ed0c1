import { once } from 'node:events';

/** workerd's inspector, for one contender: https://chromedevtools.github.io/devtools-protocol/ */
export interface Inspector {
  ask<Result>(method: string, params?: object): Promise<Result>;
  close(): Promise<void>;
}

/** Connects to the isolate of a server that was started with this inspector's port. */
export async function inspect(port: number): Promise<Inspector> {
  // The name that `server-process.ts` gives to every contender.
  const socket = new WebSocket(`ws://127.0.0.1:${port}/core:user:contender`);
  await once(socket, 'open');
  const waiting = new Map<number, (result: unknown) => void>();
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  return {
    ask<Result>(method: string, params: object = {}): Promise<Result> {
      lastId += 1;
      const answered = Promise.withResolvers<Result>();
      waiting.set(lastId, answered.resolve as (result: unknown) => void);
      socket.send(JSON.stringify({ id: lastId, method, params }));
      return answered.promise;
    },
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}
