/**
 * Removes the sample domain: `npm run remove-shop`. Afterwards the system has the other modules, or none, and `npm run check` and `npm start`
 * work.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { access } from '../src/access.ts';
import { domain } from '../src/domain.ts';
import { type Source, asArray, nameOf, nodesOf, parseSource, stringOf, valueOf } from './new/source.ts';

const HELP = `Usage: npm run remove-shop [-- options]

  Deletes the shop: its code, tests, migrations and scripts, and the benchmark, which measures nothing else. Changes nothing while git has
  uncommitted changes.

  --keep-migrations  for a system that was deployed with the shop: keeps the migrations that made its tables
  --help
`;

/** What only the shop needs. */
const SHOP = [
  'src/shop',
  'test/shop',
  'bench',
  'scripts/demo.ts',
  'scripts/seed.ts',
  'scripts/seed',
  'scripts/remove-shop.ts',
];

const MIGRATIONS = [
  'migrations/serving/0002_product_catalog.sql',
  'migrations/serving/0003_order_lookup.sql',
  'migrations/serving/0010_order_lookup_2.sql',
  'migrations/serving/0011_product_catalog_2.sql',
  'migrations/serving/0012_order_lookup_2_parts.sql',
  'migrations/reporting/0002_order_search.sql',
  'migrations/reporting/0003_order_analytics.sql',
  'migrations/reporting/0004_dashboard.sql',
  'migrations/reporting/0011_wide_sums.sql',
  'migrations/reporting/0012_order_search_2.sql',
];

const NPM_SCRIPTS = [
  'demo',
  'seed',
  'remove-shop',
  'test:process',
  'bench',
  'bench:bill',
  'check:bench',
  'typecheck:bench',
];

/** Packages that only the tests of the shop, and the benchmark, import. */
const PACKAGES = ['dinero.js', 'miniflare'];

/** What a list has beside the shop: its elements, and the imports that they need. */
interface Others {
  readonly imports: readonly string[];
  readonly elements: readonly string[];
}

/** How the sample domain calls its API, and what takes the place of that. A name that a fork has set stays. */
const NAMES_OF_API: ReadonlyMap<string | undefined, string> = new Map([
  ['Tidemark', 'My system'],
  ['Products and orders, event-sourced at the edge.', 'Event-sourced at the edge.'],
]);

const domainOfTestsFile = (
  { imports, elements }: Others,
  unreleased: readonly string[],
) => `import { domain } from '../src/domain.ts';
import { simulatedDomain } from './consistency/simulation/declared-domain.ts';
import type { ModuleIntents } from './consistency/simulation/domain.ts';
${imports.join('\n')}

/*
 * What tests know of src/domain.ts beside what it says itself. domain-requests.ts has more, for tests that go over HTTP.
 */

/** The commands that clients send: one line for each module. */
export const intents: readonly ModuleIntents[] = [${elements.join(', ')}];

/** The modules as the simulation runs them. Rules of your own go into a third argument. */
export const simulated = simulatedDomain(domain, intents);

/**
 * The aggregates, event types and read models that no deployment has yet. They may change in any way, and have no golden files. Before the first
 * deployment, \`npm run golden\` writes the files and empties the list.
 */
export const unreleased: readonly string[] = [${unreleased.join(', ')}];
`;

const REQUESTS_OF_TESTS = `import { NO_HINTS } from './conformance/fuzz/domain-hints.ts';
import { intents } from './domain.ts';
import { writtenByIntents } from './golden/written-stream.ts';

/** Streams in which today's code has written every type of event, in every form: see test/golden. */
export const written = () => writtenByIntents(intents);

/** What helps requests of the fuzz test past the refusals of the domain. */
export const fuzzHints = NO_HINTS;
`;

const { values } = parseArgs({
  options: { 'keep-migrations': { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
if (values.help) console.log(HELP);
else if (!existsSync('src/shop')) fail('There is no shop here.');
else if (execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8' }) !== '')
  fail('Git has uncommitted changes. Commit or stash them first, so that you can go back.');
else remove();

function remove(): void {
  const modules = domainWithoutShop(parsed('src/domain.ts'));
  const tests = parsed('test/domain.ts');
  const unreleased = othersIn(tests, 'unreleased').elements.filter((name) => !namesOfTheShop().has(name));
  const ofTests = domainOfTestsFile(othersIn(tests, 'intents'), unreleased);
  for (const path of [...SHOP, ...(values['keep-migrations'] ? [] : MIGRATIONS)]) {
    if (!existsSync(path)) continue;
    rmSync(path, { recursive: true });
    console.log(`Deleted ${path}.`);
  }
  write('src/domain.ts', modules);
  write('src/access.ts', accessWithoutShop());
  write('test/domain.ts', ofTests);
  write('test/domain-requests.ts', REQUESTS_OF_TESTS);
  edit('package.json', ({ scripts, devDependencies }: Manifest) => {
    for (const name of NPM_SCRIPTS) delete scripts[name];
    for (const name of PACKAGES) delete devDependencies[name];
  });
  edit('package-lock.json', ({ packages }: Lock) => {
    for (const name of PACKAGES) {
      delete packages['']?.devDependencies?.[name];
      const isNeeded = Object.values(packages).some(({ dependencies }) => dependencies?.[name] !== undefined);
      if (!isNeeded) delete packages[`node_modules/${name}`];
    }
  });
  edit('knip.json', ({ workspaces }: { workspaces: Record<string, unknown> }) => delete workspaces['bench']);
  execFileSync('oxfmt', { stdio: 'ignore' });
  console.log(`
The shop is gone. Look at \`git status\`, and go back with \`git checkout . && git clean -fd\`.

Next:
  1. npm run check && git add -A && git commit -m 'shop: remove the sample domain'
  2. Add an aggregate: ${nextAggregate()}.
  3. Name your API in src/domain.ts.
The pages in docs/ still tell of the shop by way of example.${
    values['keep-migrations']
      ? '\nAdd a migration that drops its tables, and its rows in projection_pointer and its checkpoints: docs/change-a-read-model.md shows one.'
      : ''
  }`);
}

function parsed(path: string): Source {
  return parseSource(path, readFileSync(path, 'utf8'));
}

/** `src/domain.ts` as it is, without the modules of the shop, and without its names of the API. */
function domainWithoutShop(file: Source): string {
  const list = asArray(valueOf(file, 'domain'));
  const named = valueOf(file, 'api');
  const edits = [
    ...file.tree.body.filter(isImportOfShop).map(({ start, end }) => ({ start, end: end + '\n'.length, text: '' })),
    ...(list ? [{ start: list.start, end: list.end, text: `[${othersIn(file, 'domain').elements.join(', ')}]` }] : []),
    ...(named ? [...nodesOf(named)] : []).flatMap((node) => {
      const name = NAMES_OF_API.get(stringOf(node));
      return name === undefined ? [] : [{ start: node.start, end: node.end, text: `'${name}'` }];
    }),
  ];
  return edits
    .toSorted((one, other) => other.start - one.start)
    .reduce((whole, { start, end, text }) => whole.slice(0, start) + text + whole.slice(end), file.text);
}

function isImportOfShop(statement: Source['tree']['body'][number]): boolean {
  return statement.type === 'ImportDeclaration' && statement.source.value.startsWith('./shop/');
}

/** The elements of a list that use no import of the shop. */
function othersIn(file: Source, variable: string): Others {
  const { tree, text } = file;
  const list = asArray(valueOf(file, variable));
  const imports = tree.body
    .filter((statement) => statement.type === 'ImportDeclaration')
    .map((statement) => ({
      text: text.slice(statement.start, statement.end),
      names: namesIn(statement),
      isOfShop: isImportOfShop(statement),
    }));
  const elements = (list?.elements ?? [])
    .flatMap((element) => element ?? [])
    .map((element) => ({ text: text.slice(element.start, element.end), names: namesIn(element) }))
    .filter(({ names }) => !imports.some((each) => each.isOfShop && !names.isDisjointFrom(each.names)));
  return {
    imports: imports
      .filter((each) => elements.some(({ names }) => !names.isDisjointFrom(each.names)))
      .map((each) => each.text),
    elements: elements.map((element) => element.text),
  };
}

function namesIn(node: Parameters<typeof nodesOf>[0]): ReadonlySet<string> {
  return new Set([...nodesOf(node)].flatMap((each) => nameOf(each) ?? []));
}

/** `src/access.ts` without the scopes that only routes of the shop need. */
function accessWithoutShop(): string {
  const scopesOf = (modules: typeof domain) =>
    new Set(
      modules.flatMap(({ routes }) =>
        routes.flatMap(({ operation }) => (operation.access === 'open' ? [] : (operation.access.scope ?? []))),
      ),
    );
  const [shop, others] = [modulesOfTheShop(), domain.filter((module) => !modulesOfTheShop().includes(module))];
  const gone = scopesOf(shop).difference(scopesOf(others));
  const scopes = Object.fromEntries(Object.entries(access.scopes).filter(([name]) => !gone.has(name)));
  const roles = Object.fromEntries(
    Object.entries(access.roles).map(([name, role]) => [
      name,
      { ...role, scopes: role.scopes.filter((scope) => !gone.has(scope)) },
    ]),
  );
  return `import type { AccessTable } from '#tidemark/worker';

/** Who may do what: the scopes that routes need, and the roles that have them. \`docs/access.md\` says how to use them. */
export const access: AccessTable = ${JSON.stringify({ scopes, roles })};
`;
}

function modulesOfTheShop(): typeof domain {
  return domain.filter(({ aggregate: { category } }) => category === 'product' || category === 'order');
}

/** Aggregates, event types and read models of the shop, as literals. */
function namesOfTheShop(): ReadonlySet<string> {
  const shop = modulesOfTheShop();
  const names = shop.flatMap(({ aggregate: { category, events }, projections }) => [
    category,
    ...Object.keys(events),
    ...projections.map(({ name }) => name),
  ]);
  return new Set(names.map((name) => `'${name}'`));
}

interface Manifest {
  readonly scripts: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

interface Lock {
  readonly packages: Record<
    string,
    { dependencies?: Record<string, string>; devDependencies?: Record<string, string> }
  >;
}

function nextAggregate(): string {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
  const page = 'docs/add-an-aggregate.md';
  return 'new' in scripts ? `npm run new aggregate <name> (${page})` : page;
}

function write(path: string, text: string): void {
  writeFileSync(path, text);
  console.log(`Wrote ${path}.`);
}

function edit(path: string, change: (content: never) => unknown): void {
  const content = JSON.parse(readFileSync(path, 'utf8')) as never;
  change(content);
  write(path, `${JSON.stringify(content, undefined, 2)}\n`);
}

function fail(sentence: string): void {
  console.error(sentence);
  process.exitCode = 1;
}
