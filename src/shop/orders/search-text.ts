import { type Word, fold } from './search-words.ts';

/*
 * Makes the texts of the full text index, and the expressions that search it. search-words.ts makes the words. SQLite's tokenizer `ascii` only splits
 * them at spaces, since every character outside ASCII is part of a word for it.
 */

/** Separates two texts of an order. No text contains this word, so no phrase matches across two texts. */
const BETWEEN_TEXTS = ' ¦ ';

/** The form of texts in the index. */
export function toIndexText(texts: readonly string[]): string {
  return texts.map((text) => joined(fold(text).words)).join(BETWEEN_TEXTS);
}

function joined(words: readonly Pick<Word, 'text'>[]): string {
  return words.map(({ text }) => text).join(' ');
}

/** The most words of a search, single ones and those in phrases. The index is searched for each of them. */
export const MAX_WORDS = 16;

/** One term of a search: consecutive words. The last one may be a prefix. */
export interface Term {
  readonly words: readonly string[];
  readonly isPrefix: boolean;
}

/**
 * Parses a typed text into terms, up to the first 16 words. A hit matches all terms. Other characters only separate words. A prefix of another term,
 * as in "ad ada", is dropped, since the other term matches only where it does.
 */
export function toTerms(typed: string): readonly Term[] {
  const terms = partsOf(typed).map(({ text, isPhrase }) => toTerm(text, isPhrase));
  const distinct = [...new Map(terms.map((term) => [`${term.isPrefix}:${term.text}`, term])).values()];
  let left = MAX_WORDS;
  const isCovered = (term: Typed) =>
    term.isPrefix && distinct.some((other) => other !== term && other.text.startsWith(term.text));
  return distinct
    .filter((term) => term.text !== '' && !isCovered(term))
    .flatMap(({ words, isPrefix }) => {
      const counted = words.slice(0, left);
      left -= counted.length;
      return counted.length === 0 ? [] : [{ words: counted, isPrefix: isPrefix && counted.length === words.length }];
    });
}

/** Splits a typed text at spaces and at quotes of any kind. */
export function partsOf(typed: string): readonly { readonly text: string; readonly isPhrase: boolean }[] {
  const parts = typed.replaceAll(/[“”„‟«»＂]/gu, '"').matchAll(/"([^"]*)"|([^\s"]+)/gu);
  return Array.from(parts, ([, phrase, word]) => ({ text: phrase ?? word ?? '', isPhrase: phrase !== undefined }));
}

/** A term, with its words as one text. */
interface Typed extends Term {
  readonly text: string;
}

function toTerm(typed: string, isPhrase: boolean): Typed {
  const { words } = fold(typed);
  const last = words.at(-1);
  // In the index, more characters may follow the end of a run. So the last character is searched in a pair, or as the prefix of one.
  const asked = last?.kind === 'last' && words.at(-2)?.kind === 'pair' ? words.slice(0, -1) : words;
  return {
    words: asked.map(({ text }) => text),
    isPrefix: !isPhrase || last?.kind === 'last',
    text: joined(asked),
  };
}

/** Makes an FTS5 expression of terms; undefined if there are none. Words contain no FTS5 syntax. */
export function toMatchExpression(terms: readonly Term[]): string | undefined {
  const strings = terms.map(({ words, isPrefix }) => `"${words.join(' ')}"${isPrefix ? '*' : ''}`);
  return strings.length === 0 ? undefined : strings.join(' AND ');
}

/** A match in a text: its start and its end (exclusive), in UTF-16 code units. The ranges of a text are sorted and do not overlap. */
export type Range = readonly [from: number, to: number];

/** The matches in a text, and the terms that matched. */
export interface Findings {
  readonly ranges: readonly Range[];
  readonly terms: readonly Term[];
}

/** Finds terms in a text, by the rules of the index. */
export function findTerms(text: string, terms: readonly Term[]): Findings {
  const { words, startOf, endOf } = fold(text);
  const found = terms
    .map((term) => ({
      term,
      places: words
        .keys()
        .filter((place) => isAt(words, place, term))
        .toArray(),
    }))
    .filter(({ places }) => places.length > 0);
  const ranges = found.flatMap(({ term, places }) =>
    places.map((place): Range => {
      const first = words[place];
      const last = words[place + term.words.length - 1];
      const length = term.words.at(-1)?.length ?? 0;
      return [startOf(first?.at ?? 0), endOf((last?.at ?? 0) + length - 1)];
    }),
  );
  return { ranges: merged(ranges.toSorted(([one], [other]) => one - other)), terms: found.map(({ term }) => term) };
}

function isAt(words: readonly Word[], place: number, { words: asked, isPrefix }: Term): boolean {
  return asked.every((word, index) => {
    const text = words[place + index]?.text;
    return isPrefix && index === asked.length - 1 ? text?.startsWith(word) : text === word;
  });
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
