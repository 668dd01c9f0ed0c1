import { runInDurableObject } from 'cloudflare:test';

import { objectOf } from './system.ts';

/** What an object is billed for, counted where it happens: at its storage. */
export interface ObjectBill {
  rowsWritten: number;
  rowsRead: number;
  alarmRuns: number;
}

/**
 * Counts the billable rows of a stream's object from now on, until it is evicted. A `setAlarm` counts as one row written; so does a
 * `deleteAlarm`, to be on the safe side.
 */
export async function meter(stream: Parameters<typeof objectOf>[0]): Promise<ObjectBill> {
  const bill: ObjectBill = { rowsWritten: 0, rowsRead: 0, alarmRuns: 0 };
  await runInDurableObject(objectOf(stream), (instance, state) => {
    const { storage } = state;
    const exec = storage.sql.exec.bind(storage.sql);
    const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
    let rowsWritten = 0;
    Object.defineProperty(storage.sql, 'exec', {
      value: (...args: Parameters<typeof exec>) => {
        const cursor = exec(...args);
        cursors.push(cursor);
        return cursor;
      },
    });
    let isInAlarm = false;
    const setAlarm = storage.setAlarm.bind(storage);
    Object.defineProperty(storage, 'setAlarm', {
      value: (...args: Parameters<typeof setAlarm>) => {
        rowsWritten += 1;
        return setAlarm(...args);
      },
    });
    const deleteAlarm = storage.deleteAlarm.bind(storage);
    Object.defineProperty(storage, 'deleteAlarm', {
      value: (...args: Parameters<typeof deleteAlarm>) => {
        // `runDurableObjectAlarm` takes the alarm away before it runs the handler, as the platform does for nothing.
        rowsWritten += isInAlarm ? 1 : 0;
        return deleteAlarm(...args);
      },
    });
    const alarm = instance.alarm?.bind(instance);
    Object.defineProperty(instance, 'alarm', {
      value: async (info: AlarmInvocationInfo) => {
        bill.alarmRuns += 1;
        isInAlarm = true;
        await alarm?.(info);
        isInAlarm = false;
      },
    });
    Object.defineProperties(bill, {
      rowsWritten: { get: () => rowsWritten + cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, 0) },
      rowsRead: { get: () => cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0) },
    });
  });
  return bill;
}
