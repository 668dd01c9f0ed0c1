import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';

import { groupOfQueue } from '../src/tidemark/runtime/platform.ts';
import { domain } from '../src/domain.ts';
import { groups } from './support/groups.ts';

declare global {
  interface ImportMeta {
    /** Vite replaces the call by the files that match: tests run in workerd, which has no disk to look at. */
    glob(
      patterns: string | readonly string[],
      options: { query: '?raw'; import: 'default'; eager: true },
    ): Record<string, string>;
  }
}

/** Text by path, as from the top of the repository. */
type Files = Readonly<Record<string, string>>;

const sources: Files = fromTop(import.meta.glob('../src/**/*.ts', { query: '?raw', import: 'default', eager: true }));
const migrations: Files = fromTop(
  import.meta.glob('../migrations/**/*.sql', { query: '?raw', import: 'default', eager: true }),
);
const [wranglerToml = ''] = Object.values(
  import.meta.glob('../wrangler.toml', { query: '?raw', import: 'default', eager: true }),
);

function fromTop(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path.replace('../', ''), text]));
}

/** What a file imports, types too: packages by name, files by their path from the top. */
function importsOf(path: string, source: string): readonly string[] {
  const specifiers = [...withoutComments(source).matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(.+?)\1/g)].map(
    (match) => match[2] ?? '',
  );
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? new URL(specifier, `file:///${path}`).pathname.slice(1) : specifier,
  );
}

function withoutComments(source: string): string {
  const commentOrText = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return source.replaceAll(commentOrText, (match) => (match.startsWith('/') ? '' : match));
}

/** An area of the domain: any folder beside the framework. `src/shop/` is one. */
const AREA = /^src\/(?!tidemark\/)[^/]+\//;
/** One subject of an area. An area with a single subject needs no folder for it. */
const SUBJECT = /^src\/(?!tidemark\/)[^/]+\/[^/]+\//;
/** What one subject declares and another implements. */
const PORTS = /^src\/shop\/orders\/product-prices\.ts$/;
/** Each aggregate's events, state and decisions are in a file that is called as its category. */
const DECIDER = new RegExp(
  `^src/(?!tidemark/)[^/]+/(?:[^/]+/)?(${domain.map(({ aggregate }) => aggregate.category).join('|')})\\.ts$`,
);

interface Rule {
  readonly folder: RegExp;
  readonly imports: RegExp | ((path: string) => RegExp);
  readonly except?: RegExp;
  readonly why: string;
}

/** The folders of the framework that know neither HTTP nor the platform's bindings. */
const KERNEL_FOLDERS = 'platform|domain|write|projections|catch-up|queries|archive|dead-letters|rebuild|monitoring';
const KERNEL = new RegExp(`^src/tidemark/(${KERNEL_FOLDERS})/`);

/** Imports that a folder must not have. */
const FORBIDDEN: readonly Rule[] = [
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
    folder: SUBJECT,
    imports: (path) => {
      const [, area, subject] = path.split('/');
      return new RegExp(`^src/${area}/(?!${subject}/)[^/]+/`);
    },
    except: PORTS,
    why: 'a subject sees another one through a port only',
  },
  {
    folder: AREA,
    imports: (path) =>
      new RegExp(`^src/(?!${path.split('/')[1]}/|groups\\.ts$)|^(?!src/|#tidemark$|drizzle-orm(/|$)|zod/mini$|uuid$)`),
    except: PORTS,
    why: 'the domain imports the front door, and packages for its own data',
  },
  {
    folder: DECIDER,
    imports: /^drizzle-orm/,
    why: 'events, states and decisions know no tables',
  },
  {
    folder: /^src\/(?!tidemark\/testing\/)/,
    imports: /^src\/tidemark\/testing\/|^#tidemark\/testing$|^(vitest|fast-check)$/,
    why: 'the test kit stays out of the Worker’s bundle',
  },
  {
    folder: /^src\/tidemark\/testing\//,
    imports: /^cloudflare:/,
    why: 'the test kit works in plain memory',
  },
];

function forbiddenImports(files: Files): readonly string[] {
  return Object.entries(files).flatMap(([path, source]) =>
    importsOf(path, source).flatMap((imported) =>
      FORBIDDEN.filter(
        ({ folder, imports, except }) =>
          folder.test(path) &&
          (typeof imports === 'function' ? imports(path) : imports).test(imported) &&
          !except?.test(imported),
      ).map(({ why }) => `${path} imports ${imported}: ${why}`),
    ),
  );
}

/** Words of the domain: whoever has another one puts its words here. `order` is also a word for a sequence, so in prose it is let be. */
const WORDS_OF_PROSE = ['product', 'sku', 'price', 'customer', 'shipment', 'carrier', 'cart'];
const WORDS_OF_CODE = new Set([...WORDS_OF_PROSE, 'order']);

/** Where identifiers or texts of a file's code, or its comments, have a word of the domain in them. */
function domainWords(files: Files): readonly string[] {
  return Object.entries(files).flatMap(([path, source]) => {
    const code = withoutComments(source).replaceAll(/\bORDER BY\b|\.orderBy\b/g, '');
    const words = code.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
    const inCode = words.map((word) => word.toLowerCase().replace(/s$/, '')).filter((word) => WORDS_OF_CODE.has(word));
    const inProse = source.match(new RegExp(`\\b(${WORDS_OF_PROSE.join('|')})s?\\b`, 'gi')) ?? [];
    return [...inCode, ...inProse].map((word) => `${path}: ${word}`);
  });
}

const framework = Object.fromEntries(Object.entries(sources).filter(([path]) => path.startsWith('src/tidemark/')));

describe('data flows one way', () => {
  test('through the sources that there are', () => {
    expect(Object.keys(framework).length).toBeGreaterThan(20);
    expect(Object.keys(sources).length).toBeGreaterThan(Object.keys(framework).length + 20);
    expect(importsOf('src/index.ts', sources['src/index.ts'] ?? '')).toContain('src/domain.ts');
    // Each aggregate's decisions are where the rules look for them.
    expect(Object.keys(sources).filter((path) => DECIDER.test(path))).toHaveLength(domain.length);
  });

  test('http → subjects of the domain → eventsourcing, and never back', () => {
    expect(forbiddenImports(sources)).toEqual([]);
  });

  test.each([
    ['src/tidemark/write/relay.ts', "import type { Money } from '../../shop/money.ts';"],
    ['src/tidemark/projections/fold.ts', "import { Hono } from 'hono';"],
    ['src/tidemark/projections/registry.ts', "import { orders } from '../../shop/orders/module.ts';"],
    ['src/tidemark/http/app.ts', "export { products } from '../../shop/products/module.ts';"],
    ['src/tidemark/operations/stream-routes.ts', "import '../../shop/orders/order.ts';"],
    ['src/shop/orders/order.ts', "const { productType } = await import('../products/product.ts');"],
    ['src/shop/orders/module.ts', "import { DurableObject } from 'cloudflare:workers';"],
    ['src/shop/products/price-list.ts', "import { orderType } from '../orders/order.ts';"],
    [`src/shop/any/${domain[0]?.aggregate.category}.ts`, "import { eq } from 'drizzle-orm';"],
    [`src/any/${domain[0]?.aggregate.category}.ts`, "import { eq } from 'drizzle-orm';"],
    ['src/tickets/ticket.ts', "import type { Money } from '../shop/money.ts';"],
    ['src/desk/tickets/ticket.ts', "import { call } from '../calls/call.ts';"],
    ['src/desk/tickets/routes.ts', "import { Hono } from 'hono';"],
    ['src/tidemark/http/app.ts', "import { tickets } from '../../tickets/module.ts';"],
    ['src/tidemark/http/app.ts', "import { given } from '../testing/given-when-then.ts';"],
    ['src/tidemark/testing/difference.ts', "import { env } from 'cloudflare:workers';"],
  ])('a line in %s that breaks the rule is found: %s', (path, line) => {
    expect(forbiddenImports({ [path]: line })).not.toEqual([]);
  });

  test.each([
    ['src/shop/products/price-list.ts', "import type { Offer } from '../orders/product-prices.ts';"],
    ['src/shop/orders/order.ts', "// import { z } from 'zod';\nimport type { Money } from '../money.ts';"],
    ['src/tickets/ticket-list.ts', "import { serving } from '../groups.ts';"],
    ['src/desk/tickets/ticket.ts', "import type { Duration } from '../duration.ts';"],
    ['src/tickets/staff.ts', "import type { Offer } from '../shop/orders/product-prices.ts';"],
    ['src/tidemark/http/problem.ts', "const url = 'https://from.example/';\nimport { z } from 'zod';"],
  ])('a line in %s that keeps it is let be: %s', (path, line) => {
    expect(forbiddenImports({ [path]: line })).toEqual([]);
  });
});

describe('the framework', () => {
  test('has no word of the domain in it', () => {
    expect(domainWords(framework)).toEqual([]);
  });

  test.each([
    'const orderId = 1;',
    'interface PriceList {}',
    "const category = 'product';",
    'const text = `the ${kind} of ORDERS`;',
    'const SKUS = [];',
    '/** What a customer bought. */',
  ])('would be found out: %s', (line) => {
    expect(domainWords({ 'src/tidemark/some.ts': line })).not.toEqual([]);
  });

  test.each([
    'sql.exec(`SELECT * FROM event ORDER BY version`);',
    '// in any order, ordered or not',
    'query.orderBy(table.id);',
    'const border = recorded;',
  ])('may say: %s', (line) => {
    expect(domainWords({ 'src/tidemark/some.ts': line })).toEqual([]);
  });
});

interface WranglerConfig {
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

describe('wrangler.toml', () => {
  test('describes every group of src/bindings.ts, and no other', () => {
    const queues = groups.map(({ name }) => `tidemark-${name}`).toSorted();
    expect(wrangler.queues.consumers.map(({ queue }) => queue).toSorted()).toEqual(queues);
    expect(wrangler.queues.producers.map(({ queue }) => queue).toSorted()).toEqual(queues);
    expect(wrangler.d1_databases.map(({ database_name }) => database_name).toSorted()).toEqual(queues);
  });

  test.each(groups)(
    'fills the batches of group $name for as long as its delivery check believes',
    ({ name, batchWaitMs }) => {
      const consumer = wrangler.queues.consumers.find(({ queue }) => queue === `tidemark-${name}`);
      expect((consumer?.max_batch_timeout ?? Number.NaN) * 1_000).toBe(batchWaitMs);
    },
  );

  test.each(groups)('names queue, database and migrations of group $name after it', (group) => {
    const [queue, prefix] = [`tidemark-${group.name}`, group.name.toUpperCase().replaceAll('-', '_')];
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
