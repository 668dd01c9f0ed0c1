import { setTimeout as sleep } from 'node:timers/promises';

import { inspect } from './inspector.ts';

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
  const inspector = await inspect(inspectorPort);
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
