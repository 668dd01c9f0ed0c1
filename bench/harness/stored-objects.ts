import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const folderOf = (storage: string) => join(storage, 'do');

/** Throws away all objects and their alarms, in the storage folder of a stopped server; databases stay as they are. */
export function removeObjects(storage: string): void {
  rmSync(folderOf(storage), { recursive: true, force: true });
}

/** The SQLite files of a Worker's aggregates, while no server has them open. */
interface StoredObjects {
  /** Takes all alarms away: one that is due would wake its object as soon as the server starts. */
  removeAlarms(): void;
  removeSnapshot(stream: string): void;
  /** Repeats the last event of each of these logs until it has so many, whatever their snapshots say. */
  lengthen(events: ReadonlyMap<string, number>): void;
}

/** Finds them in the storage folder of a stopped server. */
export function storedObjects(storage: string): StoredObjects {
  const folder = join(folderOf(storage), 'contender-Aggregate');
  const scheduler = join(folder, 'metadata.sqlite');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sqlite'))
    .map((name) => join(folder, name))
    .filter((file) => file !== scheduler);

  return {
    removeAlarms() {
      // workerd keeps an alarm twice: the scheduler has those of all objects, and each object its own as key 1 of its metadata.
      change(scheduler, `DELETE FROM _cf_ALARM`);
      for (const file of files) change(file, `DELETE FROM _cf_METADATA WHERE key = 1`);
    },
    removeSnapshot(stream) {
      const ofStream = `DELETE FROM snapshot WHERE (SELECT stream FROM event WHERE version = 1) = ?`;
      const withSnapshots = files.filter((file) => has(file, 'snapshot'));
      if (!withSnapshots.some((file) => change(file, ofStream, stream) > 0))
        throw new Error(`${stream} had no snapshot`);
    },
    lengthen(events) {
      const streamOf = (file: string) => valueOf(file, `SELECT stream AS value FROM event WHERE version = 1`);
      const found = files
        .filter((file) => has(file, 'event'))
        .map((file) => [file, events.get(String(streamOf(file)))] as const);
      const longer = found.filter(([, length]) => length !== undefined) as readonly (readonly [string, number])[];
      if (longer.length !== events.size) throw new Error(`${longer.length} of ${events.size} logs were found`);
      for (const [file, length] of longer) {
        change(
          file,
          `WITH RECURSIVE
            last AS (SELECT * FROM event ORDER BY version DESC LIMIT 1),
            more (version) AS (SELECT version + 1 FROM last UNION ALL SELECT version + 1 FROM more WHERE version < ?)
          INSERT INTO event (version, id, type, schema_version, data, metadata, recorded_at)
          SELECT more.version, id || '-' || more.version, type, schema_version, data, metadata, recorded_at FROM more, last`,
          length,
        );
      }
    },
  };
}

/** Runs a statement, and returns how many rows it changed. */
function change(file: string, sql: string, ...params: readonly (string | number)[]): number {
  const database = new DatabaseSync(file);
  try {
    return Number(database.prepare(sql).run(...params).changes);
  } finally {
    database.close();
  }
}

function has(file: string, table: string): boolean {
  return valueOf(file, `SELECT 1 AS value FROM sqlite_master WHERE name = ?`, table) !== undefined;
}

/** The column `value` of the first row. */
function valueOf(file: string, sql: string, ...params: readonly string[]): unknown {
  const database = new DatabaseSync(file);
  try {
    return database.prepare(sql).get(...params)?.['value'];
  } finally {
    database.close();
  }
}
