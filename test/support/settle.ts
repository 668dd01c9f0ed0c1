import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';

import { ports } from './platform.ts';
import { deliverEverything } from './queue.ts';
import { objectOf } from './system.ts';

type Stream = Parameters<typeof objectOf>[0];

/** When a stream's alarm is due, in ms since the epoch; null when none is set. */
export function alarmOf(stream: Stream): Promise<number | null> {
  return runInDurableObject(objectOf(stream), (_, state) => state.storage.getAlarm());
}

/** Delivers what was sent and runs the alarm until the object is quiet. */
export async function settle(stream: Stream): Promise<void> {
  await deliverEverything();
  for (let dueAt = await alarmOf(stream); dueAt !== null; dueAt = await alarmOf(stream)) {
    ports.clockOffsetMs = Math.max(dueAt - Date.now() + 1, ports.clockOffsetMs);
    await runDurableObjectAlarm(objectOf(stream));
    await deliverEverything();
  }
}
