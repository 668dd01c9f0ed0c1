/** The names of a command, for example `ReopenTicket` of `ticket`. */
import { type AggregateNames, upperFirst } from './names.ts';

export interface CommandNames {
  /** `ReopenTicket`. */
  readonly command: string;
  /** `TicketReopened`. */
  readonly event: string;
  /** `reopen-ticket`: the file of its test. */
  readonly file: string;
  /** `/reopen`: the last part of its path. */
  readonly step: string;
  /** `Reopen a ticket`. */
  readonly summary: string;
}

/** Past tenses that no rule gives. */
const IRREGULAR: Readonly<Record<string, string>> = {
  begin: 'begun',
  bring: 'brought',
  buy: 'bought',
  cancel: 'cancelled',
  choose: 'chosen',
  commit: 'committed',
  draw: 'drawn',
  find: 'found',
  forbid: 'forbidden',
  forget: 'forgotten',
  freeze: 'frozen',
  give: 'given',
  hide: 'hidden',
  hold: 'held',
  keep: 'kept',
  lend: 'lent',
  lose: 'lost',
  make: 'made',
  pay: 'paid',
  permit: 'permitted',
  put: 'put',
  refer: 'referred',
  rewrite: 'rewritten',
  sell: 'sold',
  send: 'sent',
  set: 'set',
  split: 'split',
  submit: 'submitted',
  take: 'taken',
  tell: 'told',
  transfer: 'transferred',
  undo: 'undone',
  withdraw: 'withdrawn',
  write: 'written',
};

/** Checks the name of a command or an event. Throws for a name that cannot be one. */
export function requireTypeName(name: string): void {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name))
    throw new Error(`"${name}" must be words in capitals and without spaces, for example ReopenTicket.`);
}

/** The event of a command that is one verb and the aggregate's name: `TicketReopened` of `ReopenTicket`. Throws for another command. */
export function eventOf(command: string, category: string): string {
  const type = upperFirst(category);
  const [verb, ...more] = command.endsWith(type) ? wordsOf(command.slice(0, -type.length)) : [];
  if (verb === undefined || more.length > 0)
    throw new Error(`Name the event of ${command} in the past tense: pass --event.`);
  return `${type}${upperFirst(pastTense(verb))}`;
}

export function commandNames(command: string, event: string, { type, aOne }: AggregateNames): CommandNames {
  const isOfType = command.endsWith(type) && command !== type;
  const words = wordsOf(isOfType ? command.slice(0, -type.length) : command);
  return {
    command,
    event,
    file: wordsOf(command).join('-'),
    step: `/${words.join('-')}`,
    summary: `${upperFirst(words.join(' '))} ${isOfType ? aOne : `of ${aOne}`}`,
  };
}

/** `ReopenTicket` as `reopen` and `ticket`. */
function wordsOf(name: string): readonly string[] {
  return (name.match(/[A-Z][a-z0-9]*/g) ?? []).map((word) => word.toLowerCase());
}

/** `reopen` as `reopened`. */
function pastTense(verb: string): string {
  const irregular = IRREGULAR[verb];
  if (irregular !== undefined) return irregular;
  if (verb.endsWith('e')) return `${verb}d`;
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ied`;
  // One syllable with a short vowel doubles its last letter: ship, stop, plan.
  return /^[^aeiou]*[aeiou][^aeiouwxy]$/.test(verb) ? `${verb}${verb.at(-1)}ed` : `${verb}ed`;
}
