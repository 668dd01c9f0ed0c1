/*
 * How orders are made findable: the same rules for what is indexed, for what is asked, and for what is highlighted.
 *
 * The index is SQLite's FTS5 with the tokenizer unicode61, which folds case and accents and splits at whatever is neither letter nor
 * digit. It takes a run of Chinese or Japanese for one word, so such runs are indexed as overlapping pairs of characters (bigrams),
 * and their last character by itself, so that any part of one is found.
 */

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々]+/gu;
const WORD = /[\p{L}\p{N}]/u;

/** A text as it is put into the index. */
export function toIndexText(text: string): string {
  return text.normalize('NFC').replace(CJK, (run) => ` ${bigrams(run).join(' ')} `);
}

function bigrams(run: string): readonly string[] {
  const characters = Array.from(run);
  return characters.map((character, index) => character + (characters[index + 1] ?? ''));
}

/** One thing asked for: a word, found as a prefix as one types, or a phrase in quotes, found as it stands. */
interface Term {
  readonly text: string;
  readonly isPhrase: boolean;
}

/** What a person typed, as terms that all have to be found. Whatever is no letter or digit only separates. */
function toTerms(typed: string): readonly Term[] {
  const parts = typed.normalize('NFC').matchAll(/"([^"]*)"|([^\s"]+)/gu);
  return [...parts]
    .map(([, phrase, word]) => ({ text: phrase ?? word ?? '', isPhrase: phrase !== undefined }))
    .filter(({ text }) => WORD.test(text));
}

/**
 * What a person typed, as an FTS5 expression; undefined when there is nothing in it to look for. Every term is an FTS5 string, so that no
 * punctuation of the user's is ever syntax.
 */
export function toMatchExpression(typed: string): string | undefined {
  const terms = toTerms(typed).map(({ text, isPhrase }) => {
    const tokens = toQueryText(text);
    return `"${tokens.replaceAll('"', '""')}"${isPhrase && !endsInCjk(text) ? '' : '*'}`;
  });
  return terms.length === 0 ? undefined : terms.join(' AND ');
}

/** A term as it is looked for: pairs as in the index, but without the last character by itself, since more may follow it there. */
function toQueryText(text: string): string {
  return text.replace(CJK, (run) => {
    const pairs = bigrams(run);
    return ` ${(pairs.length > 1 ? pairs.slice(0, -1) : pairs).join(' ')} `;
  });
}

function endsInCjk(text: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々]$/u.test(text);
}

/** Where a text has what was asked for: from and to (exclusive), in UTF-16 code units, in order and without overlap. */
export type Range = readonly [from: number, to: number];

/** The parts of `text` that what a person typed has found. */
export function findRanges(text: string, typed: string): readonly Range[] {
  const { folded, positions } = fold(text);
  const found = toTerms(typed)
    .flatMap(({ text: term }) => wordsOf(term))
    .flatMap((word) => occurrences(folded, word))
    .map(([from, to]): Range => [positions[from] ?? 0, positions[to] ?? text.length]);
  return merged(found.toSorted(([one], [other]) => one - other));
}

function wordsOf(term: string): readonly string[] {
  return fold(term)
    .folded.split(/[^\p{L}\p{N}ー々]+/u)
    .filter((word) => word !== '');
}

/** Case and accents away, with the position in the original of each code unit that is left (and of the end). */
function fold(text: string): { readonly folded: string; readonly positions: readonly number[] } {
  let folded = '';
  const positions: number[] = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
    for (let unit = 0; unit < plain.length; unit += 1) positions.push(at);
    folded += plain;
    at += character.length;
  }
  positions.push(at);
  return { folded, positions };
}

/** Where a word begins in a text: at the beginning of one of its words, or anywhere in a run of Chinese or Japanese. */
function occurrences(folded: string, word: string): readonly Range[] {
  const found: Range[] = [];
  const isCjk = new RegExp(CJK.source, 'u').test(word[0] ?? '');
  for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + 1)) {
    if (isCjk || at === 0 || !WORD.test(folded[at - 1] ?? '')) found.push([at, at + word.length]);
  }
  return found;
}

function merged(ranges: readonly Range[]): readonly Range[] {
  const whole: [number, number][] = [];
  for (const [from, to] of ranges) {
    const last = whole.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else whole.push([from, to]);
  }
  return whole;
}
