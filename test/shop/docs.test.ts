import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

/** The lines of a change without those that begin with the mark. */
function without(mark: '+' | '-', change: string): string {
  const kept = change.split('\n').filter((line) => !line.startsWith(mark));
  return kept
    .map((line) => line.slice(1))
    .join('\n')
    .trim();
}

describe('docs/change-a-read-model.md', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../../docs/change-a-read-model.md', { query: '?raw', import: 'default', eager: true }),
  );
  const NAME = 'order-search';

  /** The statements of a migration that the page shows. */
  function statementsOf(file: string): readonly string[] {
    const block = page.split('```sql\n').find((text) => text.startsWith(`-- ${file}\n`));
    const sql = (block ?? '').split('```')[0] ?? '';
    return sql
      .split(';')
      .map((statement) => statement.replaceAll(/^--.*$/gm, '').trim())
      .filter((statement) => statement !== '');
  }

  async function tablesWhere(isWanted: (table: string) => Promise<boolean>): Promise<readonly string[]> {
    const { results } = await env.REPORTING_DB.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
    ).all<{ name: string }>();
    const wanted = await Promise.all(results.map(async ({ name }) => ((await isWanted(name)) ? [name] : [])));
    return wanted.flat();
  }

  const namesProjections = async (table: string) => {
    const { results } = await env.REPORTING_DB.prepare(`PRAGMA table_info("${table}")`).all<{ name: string }>();
    return results.some(({ name }) => name === 'projection');
  };

  const files = import.meta.glob(['../../src/shop/**/*.ts', '../../bench/contenders/**/*.ts'], {
    query: '?raw',
    import: 'default',
    eager: true,
  });
  const before = page.split('\n## 8. ')[0] ?? '';
  const changes = [...before.matchAll(/^```diff\n\/\/ (\S+)\n(.*?)^```$/gms)].flatMap(([, path = '', text = '']) =>
    text.split('…\n').map((change) => ({ path, change })),
  );

  it('shows which lines a new revision changes', () => {
    expect(changes.length).toBeGreaterThan(15);
  });

  it.each(changes)('changes lines that $path has, or has after the change: $change', ({ path, change }) => {
    // The former revision is a copy.
    const file = files[`../../${path.replace('-2.ts', '.ts')}`];
    expect([without('+', change), without('-', change)].some((lines) => file?.includes(lines))).toBe(true);
  });

  it('shows a migration after which nothing is left of a read model that was removed', async () => {
    const statements = statementsOf('migrations/reporting/0103_remove_order_search.sql');
    const kept = await tablesWhere(namesProjections);
    expect(kept).toContain('checkpoint');
    // Each of these tables gets a row about the projection.
    for (const table of kept) {
      const { results } = await env.REPORTING_DB.prepare(`PRAGMA table_info("${table}")`).all<{
        name: string;
        type: string;
      }>();
      const values = results.map(({ name, type }) => {
        if (name === 'projection') return NAME;
        if (name === 'slot' || name === 'live_slot') return 'a';
        if (name === 'state') return 'failed';
        return type === 'INTEGER' ? 1 : '[]';
      });
      await env.REPORTING_DB.prepare(`INSERT OR REPLACE INTO "${table}" VALUES (${values.map(() => '?').join(', ')})`)
        .bind(...values)
        .run();
    }
    const about = async (table: string) =>
      (await env.REPORTING_DB.prepare(`SELECT 1 FROM "${table}" WHERE projection = ?`).bind(NAME).first()) !== null;
    expect(await Promise.all(kept.map(about))).toEqual(kept.map(() => true));
    const its = await tablesWhere(async (table) => table.startsWith('order_search'));
    expect(its.length).toBeGreaterThan(0);

    await env.REPORTING_DB.batch(statements.map((sql) => env.REPORTING_DB.prepare(sql)));
    expect(await Promise.all(kept.map(about))).toEqual(kept.map(() => false));
    expect(await tablesWhere(async (table) => table.startsWith('order_search'))).toEqual([]);
  });
});

describe('docs/add-a-field-or-command.md', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../../docs/add-a-field-or-command.md', { query: '?raw', import: 'default', eager: true }),
  );
  const files = import.meta.glob(['../../src/shop/**/*.ts', './**/*.ts'], {
    query: '?raw',
    import: 'default',
    eager: true,
  });
  const sectionOf = (title: string) => page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';
  const sourceOf = (path: string) => files[path.replace(/^test\/shop\//, './').replace(/^src\//, '../../src/')];

  it('shows an event with a former shape as it is', () => {
    const [, path = '', text = ''] = /^```ts\n\/\/ (\S+)\n(.*?)^```$/ms.exec(sectionOf('A field of an event')) ?? [];
    expect(text).not.toBe('');
    expect(sourceOf(path)).toContain(text);
  });

  const blocks = sectionOf('A column of a read model').matchAll(/^ {3}```diff\n {3}\/\/ (\S+)\n(.*?)^ {3}```$/gms);
  const changes = [...blocks].flatMap(([, path = '', text = '']) =>
    text
      .replaceAll(/^ {3}/gm, '')
      .split('…\n')
      .map((change) => ({ path, change })),
  );

  it('shows which lines a new column changes', () => {
    expect(changes.length).toBeGreaterThan(5);
  });

  it.each(changes)('changes lines that $path has: $change', ({ path, change }) => {
    const lines = without('+', change);
    expect(lines).not.toBe('');
    expect(sourceOf(path)).toContain(lines);
  });
});
