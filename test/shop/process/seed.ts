/** The command line of `npm run seed`: it reports an error in one sentence, with the usage, before it sends anything. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { ROOT } from './support/server.ts';

function seed(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/seed.ts'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr, message: stderr.split('\n')[0] };
}

describe('a command line of the seed', () => {
  const wrong: readonly (readonly [args: readonly string[], message: string])[] = [
    [['--order', '500'], 'There is no option --order.'],
    [['-o', '500'], 'There is no option -o.'],
    [['--no-orders'], 'There is no option --no-orders.'],
    // The rest of `npm run seed --orders 500`, since npm reads the option as its own.
    [['500'], '"500" belongs to no option. Options reach the script only after "--": npm run seed -- --orders 500.'],
    [['--orders'], '--orders needs a value.'],
    [['--orders', '--seed', '4'], '--orders needs a value.'],
    [['--orders', '-5'], '--orders needs a value.'],
    [['--orders=-5'], '--orders must be an integer from 0 to 1000000, not "-5".'],
    [['--orders', 'many'], '--orders must be an integer from 0 to 1000000, not "many".'],
    [['--help=yes'], '--help takes no value.'],
    [['--url', 'localhost:8787'], '--url must be a URL such as http://localhost:8787, not "localhost:8787".'],
  ];
  for (const [args, message] of wrong) {
    test(`says what is wrong, and how it is done right: ${args.join(' ')}`, () => {
      const ended = seed(...args);
      assert.deepEqual([ended.status, ended.message], [2, message]);
      assert.match(ended.stderr, /^Usage: npm run seed -- \[options\]$/m);
    });
  }

  test('reports that its journal cannot be written', () => {
    const ended = seed('--journal', join(ROOT, 'no/such/folder/journal'));
    assert.equal(ended.status, 2);
    assert.match(ended.message ?? '', /^--journal: ".*" cannot be written \(ENOENT/);
  });

  test('prints its help', () => {
    const ended = seed('--help');
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    assert.match(ended.stdout, /^Usage:/);
  });
});
