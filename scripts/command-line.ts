/** The command lines of scripts, and their errors: one sentence for the person who typed the command. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

import { LOCAL_SERVER, type ProblemBody, UnexpectedAnswerError } from './api-client.ts';

/** The options of every script that works on a server as its operator. */
export const SERVER_OPTIONS = {
  url: { type: 'string', default: LOCAL_SERVER },
  key: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const SERVER_HELP = `  --url <url>     the server, default ${LOCAL_SERVER}
  --key <key>     an API key, a token, or OPERATIONS_KEY of a deployment; default: the variable OPERATIONS_KEY
  --help
`;

export interface PositionalRules {
  /** The most words that belong to no option. Default: 0. */
  readonly max?: number;
  /** The error for the first word beyond these. */
  readonly excess: (word: string) => string;
}

/** Like `parseArgs`, with a sentence for each mistake. */
export function parseCommandLine<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  { max = 0, excess }: PositionalRules,
) {
  let words = 0;
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'positional') {
      words += 1;
      if (words > max) throw new Error(excess(token.value));
    }
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!option) throw new Error(`There is no option ${rawName}.`);
    // The next option is not a value: in `--orders --seed 4`, `--orders` lacks one.
    if (option.type === 'string' && (value === undefined || (!token.inlineValue && value.startsWith('-'))))
      throw new Error(`${rawName} needs a value.`);
    if (option.type === 'boolean' && value !== undefined) throw new Error(`${rawName} takes no value.`);
  }
  return parseArgs({ args: [...args], options, allowPositionals: true });
}

/** Returns the URL as it was typed. Throws if it is not one. */
export function requireUrl(url: string): string {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Error(`--url must be a URL such as ${LOCAL_SERVER}, not "${url}".`);
  return url;
}

/** Reads the command line. Ends the script for `--help`, and for a mistake. */
export function askedOrExit<Asked>(help: string, read: (args: readonly string[]) => Asked | undefined): Asked {
  let asked: Asked | undefined;
  try {
    asked = read(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    return process.exit(2);
  }
  if (asked !== undefined) return asked;
  console.log(help);
  return process.exit(0);
}

/** Explains an error to a person: in one sentence for a fault of the server, with the stack for a fault of the script. */
export function explain(error: unknown): string {
  if (error instanceof UnexpectedAnswerError) {
    const { status, body } = error.answer;
    if (status === 401) return 'The server needs a valid key: pass --key, or set the variable OPERATIONS_KEY.';
    const { code, detail } = (body ?? {}) as Partial<ProblemBody>;
    return detail === undefined || status >= 500 ? error.message : `${detail} (${status} ${code})`;
  }
  const { message, stack } = error as Error;
  return error instanceof TypeError || error instanceof ReferenceError ? (stack ?? message) : message;
}
