import { type SQL, sql } from 'drizzle-orm';

/** What Tidemark promises of a write and plain CRUD does not: a record of who did what, and once for each idempotency key. */
export interface Promises {
  /** Statements for the batch of the write, right after the one that changes the row: they do nothing where that did nothing. */
  readonly after: (entity: {
    readonly id: string;
    readonly idName: string;
    readonly action: string;
    readonly data: unknown;
    readonly version: SQL;
  }) => readonly SQL[];
  readonly key: string | undefined;
  readonly fingerprint: string;
}

interface Write {
  readonly actor: string;
  readonly correlationId: string;
  readonly route: string;
  readonly key: string | undefined;
  readonly bytes: Uint8Array;
  readonly now: number;
}

const RETENTION_MS = 7 * 24 * 60 * 60 * 1000;

export async function promisesOf(areKept: boolean, write: Write): Promise<Promises | undefined> {
  if (!areKept) return undefined;
  const { actor, correlationId, route, now, bytes } = write;
  const key =
    write.key === undefined
      ? undefined
      : await sha256(new TextEncoder().encode(JSON.stringify([actor, route, write.key])));
  const fingerprint = key === undefined ? '' : await sha256(bytes);
  return {
    key,
    fingerprint,
    after: ({ id, idName, action, data, version }) => [
      sql`INSERT INTO audit (entity_id, version, action, data, actor, correlation_id, recorded_at)
          SELECT ${id}, ${version}, ${action}, ${JSON.stringify(data)}, ${actor}, ${correlationId}, ${new Date(now).toISOString()}
          WHERE changes() = 1`,
      ...(key === undefined
        ? []
        : [
            // A key that is there already fails the whole batch, and the answer of then is read.
            sql`INSERT INTO idempotency (key, fingerprint, status, answer, expires_at)
                SELECT ${key}, ${fingerprint}, 200, json_object(${idName}, ${id}, 'version', ${version}), ${now + RETENTION_MS}
                WHERE changes() = 1`,
          ]),
    ],
  };
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
