/**
 * `npm run new` in a copy of this repository: `npm run test:new`.
 *
 * What it writes passes the checks at once. Where it refuses, it writes nothing.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

import { copyRepository } from './repository-copy.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-new-'));
after(() => rmSync(folder, { recursive: true, maxRetries: 5 }));
const copy = copyRepository(folder);

/** Runs `npm run new`, and returns the paths of the files that it says it wrote. */
function written(...args: readonly string[]): readonly string[] {
  const { status, said } = copy.script('new', ...args);
  assert.equal(status, 0, said);
  const [, list = ''] = /^Wrote\n((?: {2}.+\n)+)/.exec(said) ?? [];
  return list.trim().split(/\n */);
}

function passes(program: string, ...args: readonly string[]): void {
  const { status, said } = copy.program(program, args);
  assert.equal(status, 0, said);
}

/** Adds the aggregate of docs/add-an-aggregate.md, as an author does who follows the guide. */
function addSeats(): void {
  for (const name of ['seat', 'seat-map', 'routes', 'module']) {
    const text = copy.read(`test/guides/seats/${name}.ts`);
    copy.write(`src/seats/${name}.ts`, text.replace('../../../src/groups.ts', '../groups.ts'));
  }
  const domain = copy.read('src/domain.ts');
  copy.write(
    'src/domain.ts',
    `import { seats } from './seats/module.ts';\n${domain.replace('\n];', '\n  seats,\n];')}`,
  );
  const { status, said } = copy.script('migration', 'seat-map');
  assert.equal(status, 0, said);

  const intents = copy.read('test/guides/seats/seat-intents.ts');
  copy.write(
    'test/seats/seat-intents.ts',
    intents.replace('../../consistency/', '../consistency/').replace('./module.ts', '../../src/seats/module.ts'),
  );
  const access = copy.read('src/access.ts');
  copy.write(
    'src/access.ts',
    access.replace('scopes: {', "scopes: {\n    'seats:write': 'Add, reserve and release seats.',"),
  );
  const ofTests = copy.read('test/domain.ts');
  copy.write(
    'test/domain.ts',
    `import { seatIntents } from './seats/seat-intents.ts';\n${ofTests}`
      .replace(/(const intents.* = \[.*)\];/, '$1, seatIntents];')
      .replace(/(const unreleased.* = \[.*)\];/, "$1, 'seat'];"),
  );
}

describe('a command line of npm run new', () => {
  const wrong: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [[], 2, /^Name what is new/],
    [['aggregate'], 2, /^Name what is new/],
    [['aggregat', 'sundial'], 2, /^This script writes no "aggregat"/],
    [['aggregate', 'sundial', '--plurals', 'x'], 2, /^There is no option --plurals\./],
    [
      ['aggregate', 'sundial', 'desk'],
      2,
      /^"desk" belongs to no option\. .* npm run new -- aggregate ticket --in desk\./,
    ],
    [['aggregate', 'Ticket'], 2, /^"Ticket" must be one lower-case word/],
    [['aggregate', 'sun-dial'], 2, /^"sun-dial" must be one lower-case word/],
    [['aggregate', 'class'], 2, /^"class" is a word of the language/],
    [['aggregate', 'event'], 2, /^"event" has another meaning/],
    [['aggregate', 'sheep', '--plural', 'sheep'], 2, /^The plural of "sheep" must differ from it/],
    [['aggregate', 'sundial', '--in', 'tidemark'], 2, /^--in must be a folder of src\/ beside tidemark/],
    [['aggregate', 'sundial', '--of', 'quarry'], 2, /^--of is no option of aggregate\./],
    [['read-model', 'activity'], 2, /^Name the aggregate: npm run new -- read-model ticket-activity --of ticket\./],
    [['read-model', 'activity', 'sundial'], 2, /^"sundial" belongs to no option\. .*: npm run new -- read-model /],
    [['read-model', 'Activity', '--of', 'sundial'], 2, /^"Activity" must be lower-case words/],
    [['read-model', 'activity', '--of', 'sundial', '--group', 'x'], 2, /^--group must be one of reporting, serving/],
    [['read-model', 'activity', '--of', 'sundial'], 1, /^There is no aggregate "sundial"\. The aggregates are: /],
    [['command', 'reopen', '--of', 'sundial'], 2, /^"reopen" must be words in capitals/],
    [
      ['command', 'CorrectTitle', '--of', 'sundial'],
      2,
      /^Name the event of CorrectTitle in the past tense: pass --event\./,
    ],
    [['aggregate', 'problem'], 1, /^There is a path "problems" already\./],
    [['aggregate', 'shop', '--in', '../x'], 2, /^--in must be a folder/],
    [['aggregate', 'build'], 1, /^There is a schema "Build" already\./],
  ];

  test('is refused with a sentence, and writes nothing', () => {
    const before = copy.files();
    for (const [args, status, message] of wrong) {
      const ended = copy.script('new', ...args);
      assert.match(ended.said, message);
      assert.equal(ended.status, status, ended.said);
    }
    assert.deepEqual(copy.files(), before);
  });

  test('leaves nothing behind where a later step fails', () => {
    const obstacle = 'migrations/serving/9000_gnomon.sql';
    copy.write(obstacle, 'CREATE TABLE gnomon_list_a (gnomon_id TEXT PRIMARY KEY);');
    const before = copy.files();
    const { status, said } = copy.script('new', 'aggregate', 'gnomon');
    assert.equal(status, 1);
    assert.match(said, /9000_gnomon\.sql creates these tables already/);
    assert.deepEqual(copy.files(), before);
    copy.remove(obstacle);
  });

  test('says what to add by hand where a file has another shape', () => {
    const domain = copy.read('src/domain.ts');
    copy.write(
      'src/domain.ts',
      domain
        .replace('export const domain', 'const modules')
        .concat('export const domain = [...modules, ...[]] as const;'),
    );
    const before = copy.files();
    const { status, said } = copy.script('new', 'aggregate', 'gnomon');
    assert.equal(status, 1);
    assert.match(said, /^Nothing was written, since not every file has the shape of the guides\./);
    assert.match(said, /src\/domain\.ts has no place "in the list `domain`"/);
    assert.match(said, /^ +import \{ gnomons \} from '\.\/gnomons\/module\.ts';$/m);
    assert.deepEqual(copy.files(), before);
    copy.write('src/domain.ts', domain);
  });

  test('may ask for help', () => {
    const { status, said } = copy.script('new', '--help');
    assert.equal(status, 0);
    assert.match(said, /^Usage: npm run new/);
  });
});

describe('what npm run new writes', () => {
  const paths: string[] = [];

  test('is an aggregate with its read model, routes, tests and migration', () => {
    paths.push(...written('aggregate', 'sundial'));
    assert.deepEqual(paths.slice(0, -1), [
      'src/sundials/sundial.ts',
      'src/sundials/sundial-list.ts',
      'src/sundials/routes.ts',
      'src/sundials/module.ts',
      'test/sundials/sundial.test.ts',
      'test/sundials/sundial-intents.ts',
      'src/domain.ts',
      'src/access.ts',
      'test/domain.ts',
    ]);
    assert.match(paths.at(-1) ?? '', /^migrations\/serving\/\d{4}_sundial_list\.sql$/);
  });

  test('is a second aggregate in a folder with several', () => {
    const more = written('aggregate', 'quarry', '--in', 'workshop');
    assert.ok(more.includes('src/workshop/quarries/quarry.ts'));
    assert.ok(more.includes('test/workshop/quarries/quarry.test.ts'));
    paths.push(...more);
  });

  test('is a read model of each of them, and of an aggregate that somebody wrote', () => {
    addSeats();
    paths.push(...written('read-model', 'sundial-activity', '--of', 'sundial'));
    paths.push(...written('read-model', 'quarry-activity', '--of', 'quarry', '--group', 'reporting'));
    const more = written('read-model', 'seat-activity', '--of', 'seat');
    assert.deepEqual(more.slice(0, -1), [
      'src/seats/seat-activity.ts',
      'src/seats/seat-activity-routes.ts',
      'test/seats/seat-activity.test.ts',
      'src/seats/module.ts',
    ]);
    assert.match(more.at(-1) ?? '', /^migrations\/serving\/\d{4}_seat_activity\.sql$/);
    paths.push(...more);
  });

  test('is a command with its event', () => {
    paths.push(...written('command', 'ReopenSundial', '--of', 'sundial'));
    const more = written('command', 'MoveGuest', '--of', 'seat', '--event', 'GuestMoved');
    assert.deepEqual(more, [
      'test/seats/move-guest.test.ts',
      'src/seats/seat.ts',
      'src/seats/seat-map.ts',
      'src/seats/seat-activity.ts',
      'src/seats/routes.ts',
      'test/seats/seat-intents.ts',
    ]);
    assert.match(copy.read('src/sundials/sundial.ts'), /^ {2}SundialReopened: \{\},$/m);
    assert.match(
      copy.read('src/seats/seat.ts'),
      /case 'GuestMoved':\n +return \{ \.\.\.seat, updatedAt \};\n +default:/,
    );
    assert.match(
      copy.read('src/seats/routes.ts'),
      /seats\.command\('MoveGuest', '\/move-guest', \{ summary: 'Move guest of a seat' \}\)/,
    );
    paths.push(...more);
  });

  // A fork has deleted the shop.
  const shop = { skip: !copy.has('src/shop/products/product.ts') };
  test('is a read model of an aggregate that was released, as yet unreleased itself', shop, () => {
    paths.push(...written('read-model', 'product-activity', '--of', 'product'));
    assert.match(copy.read('test/domain.ts'), /const unreleased.* = \[.*'product-activity'\];/);
  });

  test('is a command of an aggregate that looks in each case whether it exists', shop, () => {
    const more = written('command', 'DiscontinueProduct', '--of', 'product');
    const product = copy.read('src/shop/products/product.ts');
    assert.match(
      product,
      /case 'DiscontinueProduct':\n +if \(product\.status === 'absent'\) return \{ code: 'not-found'/,
    );
    assert.match(
      product,
      /case 'ProductDiscontinued':\n +return product\.status === 'absent' \? product : \{ \.\.\.product, /,
    );
    assert.match(copy.read('test/domain.ts'), /const unreleased[^=]* = \[[^\]]*'ProductDiscontinued',?\s*\];/);
    assert.match(
      copy.read('test/shop/conformance/contract.test.ts'),
      /^ {2}'POST \/products\/\{productId\}\/discontinue',$/m,
    );
    paths.push(...more);
  });

  test('leaves an aggregate of another shape alone, and is printed instead', () => {
    const seat = copy.read('src/seats/seat.ts');
    copy.write(
      'src/seats/seat.ts',
      seat.replace('switch (command.type)', 'const { type } = command;\n  switch (type)'),
    );
    const before = copy.files();
    const { status, said } = copy.script('new', 'command', 'PaintSeat', '--of', 'seat');
    assert.equal(status, 1);
    assert.match(said, /src\/seats\/seat\.ts has no place "in the switch of `decide`"/);
    for (const line of [
      'SeatPainted: {},',
      'PaintSeat: {},',
      "case 'SeatPainted':",
      "seats.command('PaintSeat', '/paint'",
      'PaintSeat: () => ({}),',
    ])
      assert.ok(said.includes(`    ${line}`), said);
    assert.deepEqual(copy.files(), before);
    copy.write('src/seats/seat.ts', seat);
  });

  test('refuses a file that does not parse, and names it', () => {
    copy.write('test/sundials/torn.ts', 'intentsOf(sundials, {\n');
    const before = copy.files();
    const { status, said } = copy.script('new', 'command', 'PaintSundial', '--of', 'sundial');
    assert.equal(status, 1);
    assert.match(said, /^test\/sundials\/torn\.ts has a syntax error:/);
    assert.deepEqual(copy.files(), before);
    copy.remove('test/sundials/torn.ts');
  });

  test('is never overwritten', () => {
    copy.write('test/sundials/sundial-year.test.ts', '');
    const before = copy.files();
    for (const [args, message] of [
      [['aggregate', 'sundial'], /^There is a folder src\/sundials already\./],
      [['read-model', 'sundial-activity', '--of', 'sundial'], /^There is a read model "sundial-activity" already\./],
      [['command', 'CloseSundial', '--of', 'sundial'], /^There is a command "CloseSundial" already\./],
      [
        ['command', 'ShutSundial', '--of', 'seat', '--event', 'SundialClosed'],
        /^There is an event type "SundialClosed" already\./,
      ],
      [['read-model', 'sundials', '--of', 'sundial'], /^There is a path "sundials" already\./],
      [['read-model', 'routes', '--of', 'sundial'], /^src\/sundials\/module\.ts uses the name "routes" already\./],
      [['read-model', 'sundial-year', '--of', 'sundial'], /^test\/sundials\/sundial-year\.test\.ts exists already\./],
    ] as const) {
      const { status, said } = copy.script('new', ...args);
      assert.match(said, message);
      assert.equal(status, 1);
    }
    assert.deepEqual(copy.files(), before);
    copy.remove('test/sundials/sundial-year.test.ts');
  });

  test('has the types, the form and the use of all its names that the checks ask for', () => {
    const sources = paths.filter((path) => path.endsWith('.ts'));
    passes('oxfmt', '--check', ...sources);
    passes('tsc');
    passes('oxlint', ...sources);
    passes('knip');
  });

  test('passes its tests, and those of migrations, imports, commands and golden files', () => {
    const tests = paths.filter((path) => path.endsWith('.test.ts'));
    const more = ['migrations.test.ts', 'architecture.test.ts', 'consistency/intents.test.ts', 'golden/golden.test.ts'];
    passes('vitest', 'run', ...tests, ...more.map((path) => `test/${path}`));
  });

  test('runs in the simulation', () => {
    const { status, said } = copy.program('vitest', ['run', '--config', 'vitest.simulation.config.ts'], {
      SIMULATION_SEEDS: '[1,2,3]',
      SIMULATION_SHRINKS: '0',
    });
    assert.equal(status, 0, said);
    assert.match(said, /Tests +3 passed/);
  });

  test('has golden files once it is released, which the deployment asks for', () => {
    const asked = copy.script('golden', '--check');
    assert.equal(asked.status, 1);
    assert.match(asked.said, /^test\/domain\.ts calls .*sundial, quarry, seat\b.* unreleased\./);

    const { status, said } = copy.script('golden');
    assert.equal(status, 0, said);
    const files = ['sundials/golden/logs/sundial-1', 'workshop/golden/made/quarry-1', 'seats/golden/snapshots/seat-1'];
    const ofShop = shop.skip ? [] : ['shop/golden/made/product-1.json', 'shop/golden/logs/product-2'];
    for (const file of [...files, ...ofShop]) assert.ok(said.includes(`Wrote test/${file}`), said);
    assert.match(copy.read('test/domain.ts'), /const unreleased.* = \[\];/);
    assert.equal(copy.script('golden', '--check').status, 0);
    passes('vitest', 'run', 'test/golden');
  });
});

describe('npm run remove-shop', { skip: !copy.has('scripts/remove-shop.ts') }, () => {
  const names = (file: string) => /export const api = (\{[^}]*\});/.exec(file)?.[1];

  test('keeps the name that a fork has given its API, and other modules, and drops the names of the shop', () => {
    const another = mkdtempSync(join(tmpdir(), 'tidemark-without-shop-'));
    try {
      const fork = copyRepository(another);
      const domain = fork.read('src/domain.ts');
      fork.write('src/domain.ts', domain.replace("title: 'Tidemark'", "title: 'Chandlery'").concat('\n// Own.\n'));
      fork.commit();
      const { status, said } = fork.script('remove-shop');
      assert.equal(status, 0, said);
      const without = fork.read('src/domain.ts');
      assert.equal(names(without), "{ title: 'Chandlery', description: 'Event-sourced at the edge.' }");
      assert.match(without, /^export const domain: readonly Module\[\] = \[apiKeys\(serving, access\)\];$/m);
      assert.doesNotMatch(fork.read('src/access.ts'), /orders|products|reports/);
      assert.match(without, /^\/\/ Own\.$/m);
      assert.doesNotMatch(without, /shop/);
    } finally {
      rmSync(another, { recursive: true, maxRetries: 5 });
    }
  });
});
