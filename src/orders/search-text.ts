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
const SEPARATORS = String.raw`[^\p{L}\p{N}]*`;

/** A character with the marks that belong to it: accents, vowel and final jamo, half-width sound marks. */
const CLUSTER = /[^][\p{M}\u1160-\u11FF\uFF9E\uFF9F]*/gu;
const ACCENTS = /[\u0300-\u036F]/gu;

/** A text without case and accents; of each of its code units, where in the original its cluster begins and ends. */
function fold(text: string) {
  let folded = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: cluster, index } of text.matchAll(CLUSTER)) {
    // To upper case first, since it knows more that is equal: ς and σ, ß and ss, ı and i.
    const bare = cluster.normalize('NFKD').replaceAll(ACCENTS, '').toUpperCase().toLowerCase().normalize('NFKC');
    for (let unit = 0; unit < bare.length; unit += 1) {
      starts.push(index);
      ends.push(index + cluster.length);
    }
    folded += bare;
  }
  return { folded, starts, ends };
}

/** A text as it is put into the index. */
export function toIndexText(text: string): string {
  return fold(text).folded.replace(CJK, (run) => ` ${bigrams(run).join(' ')} `);
}

function bigrams(run: string): readonly string[] {
  const characters = Array.from(run);
  return characters.map((character, index) => character + (characters[index + 1] ?? ''));
}

/** One thing asked for, folded: words, the last of them found as a prefix as one types, or a phrase in quotes, found as it stands. */
interface Term {
  readonly text: string;
  readonly isPrefix: boolean;
}

/** What a person typed, as terms that all have to be found. Whatever is no letter or digit only separates. */
function toTerms(typed: string): readonly Term[] {
  const parts = typed.replaceAll(/[“”„‟«»＂]/gu, '"').matchAll(/"([^"]*)"|([^\s"]+)/gu);
  return [...parts]
    .map(([, phrase, word]) => ({ text: fold(phrase ?? word ?? '').folded, isPhrase: phrase !== undefined }))
    .map(({ text, isPhrase }) => ({ text, isPrefix: !isPhrase || ENDS_IN_CJK.test(text) }))
    .filter(({ text }) => /[\p{L}\p{N}]/u.test(text));
}

/**
 * What a person typed, as an FTS5 expression; undefined when there is nothing in it to look for. Every term is an FTS5 string, so that no
 * punctuation of the user's is ever syntax.
 */
export function toMatchExpression(typed: string): string | undefined {
  const terms = toTerms(typed).map(
    // A quote would end the string, and a NUL the whole expression.
    ({ text, isPrefix }) => `"${toQueryText(text).replaceAll(/["\p{Cc}]/gu, ' ')}"${isPrefix ? '*' : ''}`,
  );
  return terms.length === 0 ? undefined : terms.join(' AND ');
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

/** The parts of `text` that what a person typed has found. */
export function findRanges(text: string, typed: string): readonly Range[] {
  const { folded, starts, ends } = fold(text);
  const found = toTerms(typed)
    .flatMap((term) => [...folded.matchAll(patternOf(term))])
    .map(({ 0: part, index }): Range => [starts[index] ?? 0, ends[index + part.length - 1] ?? text.length]);
  return merged(found.toSorted(([one], [other]) => one - other));
}

/** A term's words one after the other: a run of Chinese or Japanese anywhere in another, any other from its beginning on. */
function patternOf({ text, isPrefix }: Term): RegExp {
  const words = text.match(WORDS) ?? [];
  const patterns = words.map((word, index) => {
    if (ENDS_IN_CJK.test(word)) return word;
    return `(?<!${LETTER})${word}${isPrefix && index === words.length - 1 ? '' : `(?!${LETTER})`}`;
  });
  return new RegExp(patterns.join(SEPARATORS), 'gv');
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
