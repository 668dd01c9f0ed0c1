import { LOCAL_SERVER } from '../api-client.ts';
import { parseCommandLine, requireUrl } from '../command-line.ts';

export const HELP = `Usage: npm run seed -- [options]

  --orders <n>       the number of orders, default 200
  --products <n>     the number of products, default 60
  --seed <n>         the same number gives the same data, default 1
  --url <url>        the server, default ${LOCAL_SERVER}
  --key <key>        an API key, a token, or OPERATIONS_KEY of a deployment; default: the variable OPERATIONS_KEY
  --concurrency <n>  the number of orders in progress at once, default 8
  --journal <file>   adds a line of JSON for each acknowledged write: stream, version, key
  --help
`;

const OPTIONS = {
  orders: { type: 'string', default: '200' },
  products: { type: 'string', default: '60' },
  seed: { type: 'string', default: '1' },
  url: { type: 'string', default: LOCAL_SERVER },
  key: { type: 'string' },
  concurrency: { type: 'string', default: '8' },
  journal: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the command line; undefined for `--help`. Throws an error with a sentence for the person who typed it. */
export function readArguments(args: readonly string[]) {
  const hint = 'Options reach the script only after "--": npm run seed -- --orders 500.';
  const { values } = parseCommandLine(args, OPTIONS, { excess: (word) => `"${word}" belongs to no option. ${hint}` });
  if (values.help) return undefined;
  const integer = (name: 'orders' | 'products' | 'seed' | 'concurrency', min: number, max: number) => {
    const value = Number(values[name]);
    if (!/^\d+$/.test(values[name]) || value < min || value > max)
      throw new Error(`--${name} must be an integer from ${min} to ${max}, not "${values[name]}".`);
    return value;
  };
  return {
    orders: integer('orders', 0, 1_000_000),
    products: integer('products', 1, 10_000),
    seed: integer('seed', 0, 999_999_999),
    concurrency: integer('concurrency', 1, 256),
    url: requireUrl(values.url),
    credential: values.key ?? process.env['OPERATIONS_KEY'],
    journal: values.journal,
  };
}
