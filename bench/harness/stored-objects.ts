import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The SQLite files of a Worker's aggregates, while no server has them open. */
interface StoredObjects {
  /** Takes all alarms away: one that is due would wake its object as soon as the server starts. */
  removeAlarms(): void;
  removeSnapshot(stream: string): void;
}

/** Finds them in the storage folder of a stopped server. */
export function storedObjects(storage: string): StoredObjects {
  const folder = join(storage, 'do', 'contender-Aggregate');
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
  };
}

/** Runs a statement, and returns how many rows it changed. */
function change(file: string, sql: string, ...params: readonly string[]): number {
  const database = new DatabaseSync(file);
  try {
    return Number(database.prepare(sql).run(...params).changes);
  } finally {
    database.close();
  }
}

function has(file: string, table: string): boolean {
  const database = new DatabaseSync(file);
  try {
    return database.prepare(`SELECT 1 FROM sqlite_master WHERE name = ?`).get(table) !== undefined;
  } finally {
    database.close();
  }
}
