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

/** Statements as they come, in one batch. */
app.post('/batch', async (c) => {
  const statements = await c.req.json<readonly { sql: string; params: readonly (string | number | null)[] }[]>();
  const results = await c.env.BARE_DB.batch(
    statements.map(({ sql, params }) => c.env.BARE_DB.prepare(sql).bind(...params)),
  );
  return c.json({ rows: results.reduce((sum, { meta }) => sum + meta.rows_written, 0) });
});

app.post('/queue', async (c) => {
  await c.env.BARE_QUEUE.send(await c.req.text(), { contentType: 'text' });
  return c.json({ sent: 1 });
});

export default app;
