/*
 * How orders are made findable: the same rules for what is indexed, for what is asked, and for what is highlighted.
 *
 * Texts are folded here (case, accents, full and half width, ß), so that index and highlights never disagree. The index is SQLite's FTS5
 * with the tokenizer unicode61, which splits at whatever is neither letter nor digit. It takes a run of Chinese or Japanese for one word,
 * so such runs are indexed as overlapping pairs of characters (bigrams), and their last character by itself, so that any part of one is
 * found.
 */

const CJK_CHARACTER = String.raw`[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々]`;
const LETTER = String.raw`[[\p{L}\p{N}]--${CJK_CHARACTER}]`;
const CJK = new RegExp(`${CJK_CHARACTER}+`, 'gv');
const ENDS_IN_CJK = new RegExp(`${CJK_CHARACTER}$`, 'v');
/** Runs of Chinese or Japanese, and words of anything else. */
const WORDS = new RegExp(`${CJK_CHARACTER}+|${LETTER}+`, 'gv');
const SEPARATOR = String.raw`[^\p{L}\p{N}]`;

/** A character with the marks that belong to it: accents, vowel and final jamo, half-width sound marks. */
const CLUSTER = /[^][\p{M}\u1160-\u11FF\uFF9E\uFF9F]*/gu;
const ASCII = /^[\0-\x7F]*$/;
const ACCENTS = /[\u0300-\u036F]/gu;

/** A text without case and accents. */
interface Folded {
  readonly folded: string;
  /** Where in the original the cluster begins that a code unit of `folded` comes from. */
  readonly startOf: (unit: number) => number;
  /** Where it ends. */
  readonly endOf: (unit: number) => number;
}

function fold(text: string): Folded {
  // Most texts, and by far the cheapest.
  if (ASCII.test(text)) return { folded: text.toLowerCase(), startOf: (unit) => unit, endOf: (unit) => unit + 1 };
  let folded = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: cluster, index } of text.matchAll(CLUSTER)) {
    // By way of upper case, since it knows more that is equal: ς and σ, ß and ss, ı and i; but not ẞ, which has to be ß first.
    const plain = cluster.normalize('NFKD').replaceAll(ACCENTS, '');
    const bare = plain.toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
    for (let unit = 0; unit < bare.length; unit += 1) {
      starts.push(index);
      ends.push(index + cluster.length);
    }
    folded += bare;
  }
  return { folded, startOf: (unit) => starts[unit] ?? 0, endOf: (unit) => ends[unit] ?? text.length };
}

/** A text as it is put into the index. */
export function toIndexText(text: string): string {
  return fold(text).folded.replace(CJK, (run) => ` ${bigrams(run).join(' ')} `);
}

function bigrams(run: string): readonly string[] {
  const characters = Array.from(run);
  return characters.map((character, index) => character + (characters[index + 1] ?? ''));
}

/** How many terms of one search count. A single letter costs most: as a prefix it is a pass over all words that begin with it. */
export const MAX_TERMS = 16;

/** One thing asked for, folded: words, the last of them found as a prefix as one types, or a phrase in quotes, found as it stands. */
export interface Term {
  readonly text: string;
  readonly isPrefix: boolean;
  /** Finds it in a folded text. */
  readonly pattern: RegExp;
}

/**
 * What a person typed, as the terms that all have to be found: the first 16 that say something of their own. Whatever is no letter or
 * digit only separates, and what merely begins another term, as in "ad ada", is found wherever that is.
 */
export function toTerms(typed: string): readonly Term[] {
  const parts = typed.replaceAll(/[“”„‟«»＂]/gu, '"').matchAll(/"([^"]*)"|([^\s"]+)/gu);
  const terms = [...parts].flatMap(([, phrase, word]) => {
    const text = fold(phrase ?? word ?? '').folded;
    const words = text.match(WORDS);
    if (!words || !/[\p{L}\p{N}]/u.test(text)) return [];
    return [{ text, words, joined: words.join(' '), isPrefix: phrase === undefined || ENDS_IN_CJK.test(text) }];
  });
  const distinct = [...new Map(terms.map((term) => [`${term.isPrefix}:${term.joined}`, term])).values()];
  return distinct
    .filter(
      (term) => !term.isPrefix || !distinct.some((other) => other !== term && other.joined.startsWith(term.joined)),
    )
    .slice(0, MAX_TERMS)
    .map(({ text, words, isPrefix }) => ({ text, isPrefix, pattern: patternOf(words, isPrefix) }));
}

/**
 * Terms as an FTS5 expression; undefined when there is nothing to look for. Every term is an FTS5 string, so that no punctuation of the
 * user's is ever syntax.
 */
export function toMatchExpression(terms: readonly Term[]): string | undefined {
  const strings = terms.map(
    // A quote would end the string, and a NUL the whole expression.
    ({ text, isPrefix }) => `"${toQueryText(text).replaceAll(/["\p{Cc}]/gu, ' ')}"${isPrefix ? '*' : ''}`,
  );
  return strings.length === 0 ? undefined : strings.join(' AND ');
}

/** A term as it is looked for: as in the index, but at its end without the last character by itself, since more may follow it there. */
function toQueryText(text: string): string {
  return text.replace(CJK, (run, index: number) => {
    const pairs = bigrams(run);
    const isLast = index + run.length === text.length;
    return ` ${(isLast && pairs.length > 1 ? pairs.slice(0, -1) : pairs).join(' ')} `;
  });
}

/** Where a text has what was asked for: from and to (exclusive), in UTF-16 code units, in order and without overlap. */
export type Range = readonly [from: number, to: number];

/** The parts of a text that were found, and the terms that found them. */
export interface Findings {
  readonly ranges: readonly Range[];
  readonly terms: readonly Term[];
}

/** Looks for terms in a text. */
export function findTerms(text: string, terms: readonly Term[]): Findings {
  const { folded, startOf, endOf } = fold(text);
  const found = terms
    .map((term) => ({ term, matches: [...folded.matchAll(term.pattern)] }))
    .filter(({ matches }) => matches.length > 0);
  const ranges = found.flatMap(({ matches }) =>
    matches.map(({ 0: part, index }): Range => [startOf(index), endOf(index + part.length - 1)]),
  );
  return { ranges: merged(ranges.toSorted(([one], [other]) => one - other)), terms: found.map(({ term }) => term) };
}

/** How many words of a term are looked for in a text that was found: names have fewer, but ﷺ alone is four. */
const MAX_CHAINED = 64;

/** A term's words one after the other: a run of Chinese or Japanese anywhere in another, any other from its beginning on. */
function patternOf(words: readonly string[], isPrefix: boolean): RegExp {
  const chained = words.slice(0, MAX_CHAINED);
  const isRun = (word: string | undefined) => word !== undefined && ENDS_IN_CJK.test(word);
  const chain = chained.map((word, index) => {
    if (index === 0) return word;
    // Only a run stands apart from what is next to it without anything between them.
    return `${SEPARATOR}${isRun(word) || isRun(chained[index - 1]) ? '*' : '+'}${word}`;
  });
  const before = isRun(words[0]) ? '' : `(?<!${LETTER})`;
  const after = isPrefix || isRun(chained.at(-1)) ? '' : `(?!${LETTER})`;
  return new RegExp(`${before}${chain.join('')}${after}`, 'gv');
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
