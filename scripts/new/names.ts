/** The names in generated code, all made from the name of an aggregate or a command. */

/** Words that are no name of a variable in a module. */
const RESERVED = new Set(
  `
  arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function
  if implements import in instanceof interface let new null package private protected public return static super switch this throw true try
  typeof undefined var void while with yield
  `.match(/\w+/g),
);

/** Names that generated files use themselves. */
const USED = new Set(
  `
  aggregate asoperator closed command commands data decide decision describe domain event events evolve expect get given groups it json known module opened
  path post project projected rejection reporting row serving state test text tidemark z
  `.match(/\w+/g),
);

/** The names of an aggregate, for example `ticket`. */
export interface AggregateNames {
  /** `ticket`: the category, the file and the variable. */
  readonly one: string;
  /** `tickets`: the folder, the path, the tag and the module. */
  readonly many: string;
  /** `Ticket`: in types, events and commands. */
  readonly type: string;
  /** `a ticket`. */
  readonly aOne: string;
}

/** Makes the names of an aggregate. Throws for a name that cannot be one. */
export function aggregateNames(one: string, plural: string | undefined): AggregateNames {
  const many = plural ?? pluralOf(one);
  for (const name of [one, many]) {
    if (!/^[a-z][a-z0-9]*$/.test(name)) throw new Error(`"${name}" must be one lower-case word, for example ticket.`);
    if (RESERVED.has(name)) throw new Error(`"${name}" is a word of the language. Choose another name.`);
    if (USED.has(name))
      throw new Error(`"${name}" has another meaning in the files of an aggregate. Choose another name.`);
  }
  if (one === many) throw new Error(`The plural of "${one}" must differ from it: pass --plural.`);
  return namesOf(one, many);
}

export function namesOf(one: string, many: string): AggregateNames {
  return { one, many, type: upperFirst(one), aOne: withArticle(one) };
}

/** The regular plural of an English noun. */
function pluralOf(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** `ticket` as `a ticket`. */
function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** `ticket` as `Ticket`. */
export function upperFirst(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The names of a read model, for example `ticket-activity`. */
export interface ReadModelNames {
  /** `ticket-activity`: the file and the path. */
  readonly name: string;
  /** `ticketActivity`. */
  readonly variable: string;
  /** `TicketActivity`. */
  readonly type: string;
  /** The aggregate that it follows. */
  readonly of: AggregateNames;
}

/** Throws for a name that cannot be one of a read model. */
export function requireReadModelName(name: string): void {
  if (!/^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(name))
    throw new Error(`"${name}" must be lower-case words with a hyphen between them, for example ticket-activity.`);
  if (RESERVED.has(name) || USED.has(name))
    throw new Error(`"${name}" has another meaning in code. Choose another name.`);
}

export function readModelNames(name: string, of: AggregateNames): ReadModelNames {
  const variable = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return { name, variable, type: upperFirst(variable), of };
}
