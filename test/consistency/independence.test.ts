import { expect, it } from 'vitest';

/** By their path from test/. */
const files = Object.fromEntries(
  Object.entries(
    import.meta.glob(['./*.ts', '../*/consistency/*.ts'], { query: '?raw', import: 'default', eager: true }),
  ).map(([path, text]) => [new URL(path, 'file:///consistency/').pathname.slice(1), text] as const),
);

/** What a file imports, types too. */
function importsOf(source: string): readonly string[] {
  return [...source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(.+?)\1/g)].map((match) => match[2] ?? '');
}

/** Imports from outside test/consistency and the folder of the file: directly, or through other files. */
function outsideOf(entries: readonly string[], text: Readonly<Record<string, string>>): readonly string[] {
  const reached = new Set(entries);
  const outside: string[] = [];
  // A set may grow while it is walked through.
  for (const name of reached) {
    for (const imported of importsOf(text[name] ?? '')) {
      const path = imported.startsWith('.') ? new URL(imported, `file:///${name}`).pathname.slice(1) : imported;
      if (text[path] === undefined) outside.push(`${name} imports ${imported}`);
      else reached.add(path);
    }
  }
  return outside;
}

const OF_EVERY_DOMAIN = ['checker.ts', 'history.ts', 'violation.ts', 'tally-oracles.ts'].map(
  (name) => `consistency/${name}`,
);
const OF_ONE_DOMAIN = Object.keys(files).filter((path) => /\/consistency\/(oracles|membership)\.ts$/.test(path));
const JUDGES = [...OF_EVERY_DOMAIN, ...OF_ONE_DOMAIN];

it('neither the checker nor the oracles import code of the system, or of a package', () => {
  for (const judge of JUDGES) expect(Object.keys(files)).toContain(judge);
  expect(outsideOf(JUDGES, files)).toEqual([]);
});

it.each([
  ["import { decide } from '../../src/some/subject.ts';", ['consistency/checker.ts imports ../../src/some/subject.ts']],
  ["import type { Money } from '../../src/some/money.ts';", ['consistency/checker.ts imports ../../src/some/money.ts']],
  ["const { v5 } = await import('uuid');", ['consistency/checker.ts imports uuid']],
  ["export { fold } from './folds.ts';", ['consistency/folds.ts imports ../../src/some/row.ts']],
  ["import type { History } from './history.ts';", []],
])('finds an import from outside, directly or in an imported file: %s', (line, found) => {
  const text = {
    'consistency/checker.ts': line,
    'consistency/folds.ts': "import '../../src/some/row.ts';",
    'consistency/history.ts': '',
  };
  expect(outsideOf(['consistency/checker.ts'], text)).toEqual(found);
});
