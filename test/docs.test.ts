import { describe, expect, it } from 'vitest';

import { migrationOf } from '../scripts/migration/read-model-sql.ts';
import { seatMap } from './guides/seats/seat-map.ts';

const pages = import.meta.glob('../docs/testing.md', { query: '?raw', import: 'default', eager: true });
const domains = import.meta.glob('./consistency/simulation/*-domain.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** The blocks of code whose first line names the file that they show, by that name. */
function shownIn(page: string): Readonly<Record<string, string>> {
  const blocks = [...page.matchAll(/^```ts\n\/\/ (\S+\.ts)\n\n?(.*?)^```$/gms)];
  return Object.fromEntries(blocks.map(([, path = '', text = '']) => [path, text]));
}

// That file is compiled, and runs in every fourth seed of the simulation: so what the page shows works.
it('docs/testing.md shows how to simulate a domain by one that is simulated, as it is', () => {
  expect(shownIn(pages['../docs/testing.md'] ?? '')).toEqual({
    'test/consistency/simulation/tally-domain.ts': domains['./consistency/simulation/tally-domain.ts'],
  });
});

it('docs/http-api.md has a key of CSV read back as the test does that reads all of them back', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../docs/http-api.md', { query: '?raw', import: 'default', eager: true }),
  );
  const [test = ''] = Object.values(
    import.meta.glob('./tidemark/http/csv.test.ts', { query: '?raw', import: 'default', eager: true }),
  );
  const [shown = ''] = /^text\.replaceAll\(.*$/m.exec(page) ?? [];
  expect(shown).not.toBe('');
  expect(test).toContain(`return ${shown}`);
});

// test/guides compiles and runs those files: so what the pages show works.
describe.each([
  ['docs/add-an-aggregate.md', 'seats'],
  ['docs/hello-stream.md', 'hello'],
])('%s', (path, folder) => {
  const docs = import.meta.glob('../docs/*.md', { query: '?raw', import: 'default', eager: true });
  const files = import.meta.glob('./guides/*/*.ts', { query: '?raw', import: 'default', eager: true });
  const nameOf = (file: string) => file.replace(/^.*\//, '');

  /** A file of the guide where it would stand in the project. */
  function inPlace(name: string, source: string): string {
    const code = source.replace("'../../../src/groups.ts'", "'../groups.ts'");
    if (!/(\.test|-intents)\.ts$/.test(name)) return code;
    return code
      .replace("'../../support/api.ts'", "'../support/api.ts'")
      .replace("'../../consistency/", "'../consistency/")
      .replaceAll(/'\.\/([\w-]+\.ts)'/g, `'../../src/${folder}/$1'`);
  }

  it('shows the files of the guide that the tests run, as they are', () => {
    const shown = Object.entries(shownIn(docs[`../${path}`] ?? '')).map(([file, text]) => [nameOf(file), text.trim()]);
    const there = Object.entries(files)
      .filter(([file]) => file.startsWith(`./guides/${folder}/`))
      .map(([file, text]) => [nameOf(file), inPlace(nameOf(file), text).trim()]);
    expect(there.length).toBeGreaterThan(0);
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(there));
  });
});

it('docs/add-an-aggregate.md shows the migration that `npm run migration` writes', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../docs/add-an-aggregate.md', { query: '?raw', import: 'default', eager: true }),
  );
  const [, sql = ''] = /^```sql\n-- migrations\S+\n(.*?)^```$/ms.exec(page) ?? [];
  expect(sql).toBe(migrationOf(seatMap));
});

describe('docs/add-a-field-or-command.md', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../docs/add-a-field-or-command.md', { query: '?raw', import: 'default', eager: true }),
  );
  const tests = import.meta.glob('./**/*.ts', { query: '?raw', import: 'default', eager: true });
  const section = page.split(/^## /m).find((text) => text.startsWith('The name of an event type\n')) ?? '';
  const blocks = [...section.matchAll(/^ {3}```ts\n {3}\/\/ test\/(\S+)\n(.*?)^ {3}```$/gms)];
  const parts = blocks.flatMap(([, path = '', text = '']) =>
    text
      .replaceAll(/^ {3}/gm, '')
      .split('…\n')
      .map((part) => ({ path, part })),
  );

  it('shows how an event type is renamed', () => {
    expect(parts).toHaveLength(6);
  });

  it.each(parts)('has what it shows of $path from there', ({ path, part }) => {
    expect(part.trim()).not.toBe('');
    expect(tests[`./${path}`]).toContain(part);
  });
});

describe('docs/consistency.md', () => {
  const [page = ''] = Object.values(
    import.meta.glob('../docs/consistency.md', { query: '?raw', import: 'default', eager: true }),
  );
  const tests = import.meta.glob('./**/*.ts', { query: '?raw', import: 'default', eager: true });
  const promised = [...page.matchAll(/^\|[^|]+\| \[`[^`]+`\]\(\.\.\/test\/([^)]+\.ts)\): (.+) \|$/gm)].flatMap(
    ([, path = '', names = '']) => names.split('; ').map((name) => ({ path, name })),
  );
  // A folder of tests goes with its domain.
  const kept = promised.filter(({ path }) =>
    Object.keys(tests).some((each) => each.startsWith(`./${path.split('/')[0]}/`)),
  );

  it('has a test for each promise', () => {
    expect(kept.length).toBeGreaterThan(15);
  });

  it.each(kept)('names a test that there is: $path, $name', ({ path, name }) => {
    expect(tests[`./${path}`]).toContain(name);
  });
});
