import { expect, it } from 'vitest';

const files = Object.fromEntries(
  Object.entries(import.meta.glob('./*.ts', { query: '?raw', import: 'default', eager: true })).map(
    ([path, text]) => [path.replace('./', ''), text] as const,
  ),
);

/** What a file imports, types too. */
function importsOf(source: string): readonly string[] {
  return [...source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(.+?)\1/g)].map((match) => match[2] ?? '');
}

/** Whatever is not beside them: directly, or through what they import. */
function outsideOf(entries: readonly string[], text: Readonly<Record<string, string>>): readonly string[] {
  const reached = new Set(entries);
  const outside: string[] = [];
  // A set may grow while it is walked through.
  for (const name of reached) {
    for (const imported of importsOf(text[name] ?? '')) {
      const beside = /^\.\/([\w-]+\.ts)$/.exec(imported)?.[1];
      if (beside === undefined || text[beside] === undefined) outside.push(`${name} imports ${imported}`);
      else reached.add(beside);
    }
  }
  return outside;
}

const JUDGES = ['checker.ts', 'history.ts', 'violation.ts', 'oracles.ts', 'tally-oracles.ts', 'membership.ts'];

it('neither checker nor oracles have a line of the system’s code in them, nor of anybody else’s', () => {
  for (const judge of JUDGES) expect(Object.keys(files)).toContain(judge);
  expect(outsideOf(JUDGES, files)).toEqual([]);
});

it.each([
  ["import { decide } from '../../src/shop/orders/order.ts';", ['checker.ts imports ../../src/shop/orders/order.ts']],
  ["import type { Money } from '../../src/shop/money.ts';", ['checker.ts imports ../../src/shop/money.ts']],
  ["const { v5 } = await import('uuid');", ['checker.ts imports uuid']],
  ["export { fold } from './folds.ts';", ['folds.ts imports ../../src/shop/orders/order-row.ts']],
  ["import type { History } from './history.ts';", []],
])('%s would be found out, or let be', (line, found) => {
  const text = { 'checker.ts': line, 'folds.ts': "import '../../src/shop/orders/order-row.ts';", 'history.ts': '' };
  expect(outsideOf(['checker.ts'], text)).toEqual(found);
});
