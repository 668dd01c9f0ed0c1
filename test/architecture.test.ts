import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';

import { groupOfQueue } from '../src/tidemark/runtime/platform.ts';
import { domain } from '../src/domain.ts';
import type { AnyAggregate } from '../src/tidemark/authoring/aggregate.ts';
import { groups } from './support/groups.ts';
import { key } from '../src/tidemark/keys/key.ts';
import { seats } from './guides/seats/module.ts';
import { type Files, fromTop, importsOf, withoutComments, wordsInCode } from './support/sources.ts';

const sources: Files = fromTop(import.meta.glob('../src/**/*.ts', { query: '?raw', import: 'default', eager: true }));
const migrations: Files = fromTop(
  import.meta.glob('../migrations/**/*.sql', { query: '?raw', import: 'default', eager: true }),
);
const [wranglerToml = ''] = Object.values(
  import.meta.glob('../wrangler.toml', { query: '?raw', import: 'default', eager: true }),
);

/** The domain: every folder beside the framework's. */
const DOMAIN = /^src\/(?!tidemark\/)[^/]+\//;

/** One subject is the folder of a module: `src/seats/`, or `src/shop/orders/`. */
function subjectsOf(all: Files): readonly string[] {
  return Object.keys(all).flatMap((path) => (DOMAIN.test(path) ? (/^.*\/(?=module\.ts$)/.exec(path) ?? []) : []));
}

const CATEGORIES = domain.map(({ aggregate }) => aggregate.category);

interface Rule {
  readonly folder: RegExp;
  readonly imports: RegExp | ((path: string) => RegExp);
  readonly except?: RegExp | ((path: string) => boolean);
  readonly why: string;
}

/** The folders of the framework that know neither HTTP nor the platform's bindings. */
const KERNEL_FOLDERS = 'platform|domain|write|projections|catch-up|queries|archive|dead-letters|rebuild|monitoring';
const KERNEL = new RegExp(`^src/tidemark/(${KERNEL_FOLDERS})/`);

/** Imports that a folder must not have, by the files that there are and the categories of the registry. */
function rulesOf(all: Files, categories: readonly string[]): readonly Rule[] {
  const subjects = subjectsOf(all);
  const inSubject = new RegExp(`^(${['no subject', ...subjects].join('|')})`);
  /** What one subject declares and another implements: a file of types alone. */
  const isPort = (path: string) => !/^export (?!interface\b|type\b)/m.test(withoutComments(all[path] ?? 'export *'));
  return [
    {
      folder: KERNEL,
      imports: new RegExp(`^src/(?!tidemark/(${KERNEL_FOLDERS})/)|^(?!src/|drizzle-orm(/|$)|cloudflare:workers$)`),
      except: /^uuid$/,
      why: 'the kernel knows no domain, no route and no library but drizzle',
    },
    {
      folder: /^src\/tidemark\/platform\//,
      imports: /^src\/(?!tidemark\/platform\/)/,
      why: 'clock, log and faults are at the bottom',
    },
    {
      folder: /^src\/tidemark\/domain\//,
      imports: /^src\/(?!tidemark\/(platform|domain)\/)/,
      why: 'events and deciders know neither storage nor read models',
    },
    {
      folder: /^src\/tidemark\/write\//,
      imports: /^src\/(?!tidemark\/(platform|domain|write)\/)/,
      why: 'the write side knows nothing of the read side',
    },
    {
      folder: /^src\/tidemark\//,
      imports: /^src\/(?!tidemark\/)|^#tidemark/,
      why: 'the framework knows no domain and no deployment, and does not use its own front door',
    },
    {
      folder: /^src\/tidemark\/http\//,
      imports: /^src\/tidemark\/operations\//,
      why: 'what every route shares knows no route',
    },
    {
      folder: inSubject,
      imports: (path) => new RegExp(`^(?!${inSubject.exec(path)?.[1]})(${subjects.join('|')})`),
      except: isPort,
      why: 'a subject sees another one through a port only',
    },
    {
      folder: DOMAIN,
      imports: /^src\/tidemark\/|^src\/(?!groups\.ts$)[^/]+$|^(?!src\/|#tidemark$|drizzle-orm(\/|$)|zod\/mini$|uuid$)/,
      why: 'the domain imports the front door, and packages for its own data',
    },
    {
      folder: deciders(all, categories),
      imports: /^drizzle-orm/,
      why: 'events, states and decisions know no tables',
    },
    {
      folder: /^src\/(?!tidemark\/testing\/)/,
      imports: /^src\/tidemark\/testing\/|^#tidemark\/testing$|^(vitest|fast-check)$/,
      why: 'the test kit stays out of the Worker’s bundle',
    },
    {
      folder: /^src\/(?!tidemark\/openapi\/)/,
      imports: /^src\/tidemark\/openapi\//,
      why: 'what describes the API stays out of the Worker’s bundle',
    },
    {
      folder: /^src\/tidemark\/testing\//,
      imports: /^cloudflare:/,
      why: 'the test kit works in plain memory',
    },
  ];
}

/** Each aggregate's events, state and decisions are in a file that is called as its category, beside its module. */
function deciders(all: Files, categories: readonly string[]): RegExp {
  return new RegExp(
    `^(${['no subject', ...subjectsOf(all)].join('|')})(${['no category', ...categories].join('|')})\\.ts$`,
  );
}

function forbiddenImports(files: Files, all: Files = sources, categories = CATEGORIES): readonly string[] {
  const rules = rulesOf(all, categories);
  return Object.entries(files).flatMap(([path, source]) =>
    importsOf(path, source).flatMap((imported) =>
      rules
        .filter(
          ({ folder, imports, except }) =>
            folder.test(path) &&
            (typeof imports === 'function' ? imports(path) : imports).test(imported) &&
            !(typeof except === 'function' ? except(imported) : except?.test(imported)),
        )
        .map(({ why }) => `${path} imports ${imported}: ${why}`),
    ),
  );
}

const framework = Object.fromEntries(Object.entries(sources).filter(([path]) => path.startsWith('src/tidemark/')));

describe('data flows one way', () => {
  test('through the sources that there are', () => {
    expect(Object.keys(framework).length).toBeGreaterThan(20);
    expect(importsOf('src/index.ts', sources['src/index.ts'] ?? '')).toContain('src/system.ts');
    expect(importsOf('src/system.ts', sources['src/system.ts'] ?? '')).toContain('src/domain.ts');
    // Each aggregate's decisions are where the rules look for them.
    const files = Object.keys(sources).filter((path) => deciders(sources, CATEGORIES).test(path));
    const subjects = domain.filter(({ aggregate }) => aggregate.category !== key.category);
    expect(files).toHaveLength(subjects.length);
  });

  test('http → subjects of the domain → eventsourcing, and never back', () => {
    expect(forbiddenImports(sources)).toEqual([]);
  });

  /** A domain of two subjects, one of which declares a port. */
  const club: Files = {
    'src/club/money.ts': 'export const EUR = 1;',
    'src/club/halls/module.ts': 'export const halls = 1;',
    'src/club/halls/hall.ts': 'export const hall = 1;',
    'src/club/halls/guest-names.ts': 'export interface GuestNames {}',
    'src/club/guests/module.ts': 'export const guests = 1;',
  };
  const inClub = (path: string, line: string) => forbiddenImports({ [path]: line }, club, ['hall', 'guest']);

  test.each([
    ['src/tidemark/write/relay.ts', "import type { Money } from '../../club/money.ts';"],
    ['src/tidemark/projections/fold.ts', "import { Hono } from 'hono';"],
    ['src/tidemark/projections/registry.ts', "import { halls } from '../../club/halls/module.ts';"],
    ['src/tidemark/http/app.ts', "export { guests } from '../../club/guests/module.ts';"],
    ['src/tidemark/operations/stream-routes.ts', "import '../../club/halls/hall.ts';"],
    ['src/club/halls/hall.ts', "const { guests } = await import('../guests/module.ts');"],
    ['src/club/halls/module.ts', "import { DurableObject } from 'cloudflare:workers';"],
    ['src/club/guests/guest-list.ts', "import { hall } from '../halls/hall.ts';"],
    ['src/club/halls/hall.ts', "import { domain } from '../../domain.ts';"],
    ['src/club/halls/hall.ts', "import { relay } from '../../tidemark/write/relay.ts';"],
    ['src/club/guests/guest.ts', "import { eq } from 'drizzle-orm';"],
    ['src/tidemark/http/app.ts', "import { given } from '../testing/given-when-then.ts';"],
    ['src/tidemark/operations/meta-routes.ts', "import { problemTypes } from '../openapi/problem-docs.ts';"],
    ['src/tidemark/testing/difference.ts', "import { env } from 'cloudflare:workers';"],
  ])('a line in %s that breaks the rule is found: %s', (path, line) => {
    expect(inClub(path, line)).not.toEqual([]);
  });

  test.each([
    ['src/club/guests/guest-list.ts', "import type { GuestNames } from '../halls/guest-names.ts';"],
    ['src/club/halls/hall.ts', "// import { z } from 'zod';\nimport type { Money } from '../money.ts';"],
    ['src/club/halls/hall-map.ts', "import { serving } from '../../groups.ts';\nimport { eq } from 'drizzle-orm';"],
    ['src/tidemark/http/problem.ts', "const url = 'https://from.example/';\nimport { z } from 'zod';"],
  ])('a line in %s that keeps it is let be: %s', (path, line) => {
    expect(inClub(path, line)).toEqual([]);
  });
});

/** Words that the framework uses itself, in another sense. */
const WORDS_OF_THE_FRAMEWORK: readonly string[] =
  `
  answer archive attempt batch body build case cause change check column command count cursor data date delivery
  detail document entry error event example fault feed field filter group header host index input item job key kind lead
  letter limit list log member message name number object operation outcome page part path place pointer position
  problem progress query queue reason record report request response result row schema session slot source state
  status step storage stream summary table tag text time title token type update value version view work worker
`.match(/\w+/g) ?? [];

/** The words that the registry has for a domain: categories, and the nouns of its commands. */
function domainWords(modules: typeof domain): readonly string[] {
  const nouns = modules.flatMap(({ aggregate }) => [
    aggregate.category,
    ...Object.keys((aggregate as AnyAggregate).commands.types as object).flatMap(
      (type) => /[A-Z][a-z]+$/.exec(type) ?? [],
    ),
  ]);
  return [...new Set(nouns.map((noun) => noun.toLowerCase().replace(/s$/, '')))];
}

describe('the framework', () => {
  // Beside the words of the domain, those of the guide and of a shop: an example of the framework is in the document of every domain.
  const words = [...domainWords([...domain, seats]), 'guest', 'hall', 'cart', 'checkout', 'invoice'];

  test('has no word of a domain in its code, and so none in its part of the OpenAPI document', () => {
    expect(
      wordsInCode(
        framework,
        words.filter((word) => !WORDS_OF_THE_FRAMEWORK.includes(word)),
      ),
      'If the framework means something else by the word, add it to WORDS_OF_THE_FRAMEWORK.',
    ).toEqual([]);
  });

  test.each([
    'const guestId = 1;',
    'interface GuestList {}',
    "const category = 'guest';",
    'const text = `the ${kind} of GUESTS`;',
  ])('would be found out: %s', (line) => {
    expect(wordsInCode({ 'src/tidemark/some.ts': line }, ['guest', 'order'])).not.toEqual([]);
  });

  test.each([
    'sql.exec(`SELECT * FROM event ORDER BY version`);',
    '// in any order, ordered or not',
    'query.orderBy(table.id);',
    'const border = recorded;',
  ])('may say: %s', (line) => {
    expect(wordsInCode({ 'src/tidemark/some.ts': line }, ['guest', 'order'])).toEqual([]);
  });
});

interface WranglerConfig {
  readonly name: string;
  readonly main: string;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly exports: Readonly<Record<string, { readonly type: string }>>;
  readonly queues: {
    readonly producers: readonly { readonly binding: string; readonly queue: string }[];
    readonly consumers: readonly {
      readonly queue: string;
      readonly max_batch_timeout: number;
      readonly max_batch_size: number;
    }[];
  };
  readonly d1_databases: readonly {
    readonly binding: string;
    readonly database_name: string;
    readonly migrations_dir: string;
  }[];
}

const wrangler = parse(wranglerToml) as unknown as WranglerConfig;
const resources = [
  ...wrangler.durable_objects.bindings.map(({ name }) => name),
  ...wrangler.queues.producers.map(({ binding }) => binding),
  ...wrangler.d1_databases.map(({ binding }) => binding),
];

/** The name of a group's queue and of its database. They begin with the name of the Worker, so that an account may have two systems. */
const resourceOf = ({ name }: { readonly name: string }) => `${wrangler.name}-${name}`;

describe('wrangler.toml', () => {
  test('describes every group of src/bindings.ts, and no other', () => {
    const queues = groups.map(resourceOf).toSorted();
    expect(wrangler.queues.consumers.map(({ queue }) => queue).toSorted()).toEqual(queues);
    expect(wrangler.queues.producers.map(({ queue }) => queue).toSorted()).toEqual(queues);
    expect(wrangler.d1_databases.map(({ database_name }) => database_name).toSorted()).toEqual(queues);
  });

  test.each(groups)('fills the batches of group $name for as long as its delivery check believes', (group) => {
    const consumer = wrangler.queues.consumers.find(({ queue }) => queue === resourceOf(group));
    expect((consumer?.max_batch_timeout ?? Number.NaN) * 1_000).toBe(group.batchWaitMs);
  });

  test.each(groups)('names queue, database and migrations of group $name after it', (group) => {
    const [queue, prefix] = [resourceOf(group), group.name.toUpperCase().replaceAll('-', '_')];
    expect(wrangler.queues.producers).toContainEqual({ binding: `${prefix}_QUEUE`, queue });
    expect(wrangler.d1_databases).toContainEqual(
      expect.objectContaining({
        binding: `${prefix}_DB`,
        database_name: queue,
        migrations_dir: `migrations/${group.name}`,
      }),
    );
    expect(Object.keys(migrations).filter((path) => path.startsWith(`migrations/${group.name}/`))).not.toEqual([]);
    expect(groupOfQueue(queue, groups)).toBe(group);
  });

  test('binds the Durable Object class that src/index.ts exports', () => {
    for (const { class_name: name } of wrangler.durable_objects.bindings) {
      expect(Object.keys(wrangler.exports)).toContain(name);
      expect(withoutComments(sources[wrangler.main] ?? '')).toMatch(new RegExp(`export \\{[^}]*\\b${name}\\b`));
    }
  });

  test('binds nothing that src/bindings.ts does not declare', () => {
    const declared = [...(sources['src/bindings.ts'] ?? '').matchAll(/^ {2}readonly ([A-Z_0-9]+)\??:/gm)].map(
      (match) => match[1],
    );
    for (const binding of resources) expect(declared).toContain(binding);
  });
});

test('only src/bindings.ts takes a resource of the platform by its name', () => {
  expect(resources.length).toBeGreaterThanOrEqual(3);
  const users = Object.entries(sources).filter(([, source]) =>
    resources.some((name) => new RegExp(`\\b${name}\\b`).test(withoutComments(source))),
  );
  expect(users.map(([path]) => path).toSorted()).toEqual(['src/bindings.ts']);
});

describe('docs/operations.md', () => {
  const [operations = ''] = Object.values(
    import.meta.glob('../docs/operations.md', { query: '?raw', import: 'default', eager: true }),
  );
  const firstArguments = Object.values(sources).flatMap((source) =>
    [...withoutComments(source).matchAll(/\b(?:report|log)\(([^,)]*)/g)].map(([, argument = '']) => argument),
  );
  const events = firstArguments.flatMap((argument) =>
    [...argument.matchAll(/'([a-z-]+\.[a-z-]+|command|internal-error)'/g)].map(([, event = '']) => event),
  );

  test.each([...new Set(events)].toSorted())('says what the log line "%s" means', (event) => {
    expect(operations).toContain(`\`${event}\``);
  });

  test('is held against all lines that there are', () => {
    expect(events.length).toBeGreaterThan(35);
  });
});
