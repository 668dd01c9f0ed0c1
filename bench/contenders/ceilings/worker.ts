import { DurableObject } from 'cloudflare:workers';
import { Hono } from 'hono';

/*
 * The least code that does the same kind of work: no validation, no versions, no headers.
 */

interface Env {
  readonly OBJECTS: DurableObjectNamespace<BareObject>;
  readonly BARE_DB: D1Database;
  readonly BARE_QUEUE: Queue;
}

/** An object that inserts what it is given. Its table has the columns of an event. */
export class BareObject extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  #exists = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
  }

  /** Inserts `rows` rows with this data. One row is a request's worth; many are a loop without requests. */
  async insert(data: string, rows: number): Promise<number> {
    if (!this.#exists) {
      this.#sql.exec(
        'CREATE TABLE IF NOT EXISTS event (version INTEGER PRIMARY KEY, id TEXT NOT NULL, data TEXT NOT NULL, recorded_at TEXT NOT NULL)',
      );
      this.#exists = true;
    }
    for (let row = 0; row < rows; row += 1) {
      this.#sql.exec(
        'INSERT INTO event (id, data, recorded_at) VALUES (?, ?, ?)',
        crypto.randomUUID(),
        data,
        new Date().toISOString(),
      );
    }
    return rows;
  }
}

const app = new Hono<{ Bindings: Env }>();

app.get('/hono', (c) => c.json({ ok: true }));

app.post('/object/:name', async (c) => {
  const stub = c.env.OBJECTS.get(c.env.OBJECTS.idFromName(c.req.param('name')));
  const rows = await stub.insert(await c.req.text(), 1);
  return c.json({ rows });
});

app.post('/object-loop/:rows', async (c) => {
  const stub = c.env.OBJECTS.get(c.env.OBJECTS.idFromName('loop'));
  const rows = await stub.insert(await c.req.text(), Number(c.req.param('rows')));
  return c.json({ rows });
});

interface Statement {
  readonly sql: string;
  readonly params: readonly (string | number | null)[];
}

async function runBatch(database: D1Database, statements: readonly Statement[]): Promise<number> {
  const results = await database.batch(statements.map(({ sql, params }) => database.prepare(sql).bind(...params)));
  return results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
}

/** Statements as they come, in one batch. */
app.post('/batch', async (c) => c.json({ rows: await runBatch(c.env.BARE_DB, await c.req.json<Statement[]>()) }));

/** Batches as they come, one after the other. */
app.post('/batches', async (c) => {
  let rows = 0;
  for (const statements of await c.req.json<Statement[][]>()) rows += await runBatch(c.env.BARE_DB, statements);
  return c.json({ rows });
});

app.post('/queue', async (c) => {
  await c.env.BARE_QUEUE.send(await c.req.text(), { contentType: 'text' });
  return c.json({ sent: 1 });
});

export default app;
