import { describe, expect, it } from 'vitest';

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

describe('README.md', () => {
  const [readme = ''] = Object.values(
    import.meta.glob('../README.md', { query: '?raw', import: 'default', eager: true }),
  );
  const tests = import.meta.glob('./**/*.ts', { query: '?raw', import: 'default', eager: true });
  const promised = [...readme.matchAll(/^\|[^|]+\| \[`[^`]+`\]\(test\/([^)]+\.ts)\): (.+) \|$/gm)].flatMap(
    ([, path = '', names = '']) => names.split('; ').map((name) => ({ path, name })),
  );

  it('has a test for each promise', () => {
    expect(promised.length).toBeGreaterThan(20);
  });

  it.each(promised)('names a test that there is: $path, $name', ({ path, name }) => {
    expect(tests[`./${path}`]).toContain(name);
  });
});
