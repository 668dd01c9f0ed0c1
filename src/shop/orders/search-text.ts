import { type Word, fold } from './search-words.ts';

/*
 * What is put into the full text index and what is asked of it. The words are those of search-words.ts: SQLite's tokenizer `ascii` only
 * splits them at spaces, since it takes whatever is not ASCII for a part of a word.
 */

/** Stands between two texts of an order. It is a word that no text has, so no phrase reaches from one text into the next. */
const BETWEEN_TEXTS = ' ¦ ';

/** Texts as they are put into the index. */
export function toIndexText(texts: readonly string[]): string {
  return texts.map((text) => joined(fold(text).words)).join(BETWEEN_TEXTS);
}

function joined(words: readonly Pick<Word, 'text'>[]): string {
  return words.map(({ text }) => text).join(' ');
}

/** How many words of a search count, whether they stand alone or in a phrase. The index looks for each of them. */
export const MAX_WORDS = 16;

/** One thing asked for: words that have to follow one another, the last of them perhaps only as the beginning of one. */
export interface Term {
  readonly words: readonly string[];
  readonly isPrefix: boolean;
}

/**
 * What a person typed, as the terms that all have to be found: as many as have the first 16 words. Whatever is no part of a word only
 * separates, and what merely begins another term, as in "ad ada", is found wherever that is.
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

/** What was typed, cut at spaces and at quotes of any kind. */
export function partsOf(typed: string): readonly { readonly text: string; readonly isPhrase: boolean }[] {
  const parts = typed.replaceAll(/[“”„‟«»＂]/gu, '"').matchAll(/"([^"]*)"|([^\s"]+)/gu);
  return Array.from(parts, ([, phrase, word]) => ({ text: phrase ?? word ?? '', isPhrase: phrase !== undefined }));
}

/** A term, and its words as one text. */
interface Typed extends Term {
  readonly text: string;
}

function toTerm(typed: string, isPhrase: boolean): Typed {
  const { words } = fold(typed);
  const last = words.at(-1);
  // More may follow the end of a run in the index, so its last character is asked for in a pair or as the beginning of one.
  const asked = last?.kind === 'last' && words.at(-2)?.kind === 'pair' ? words.slice(0, -1) : words;
  return {
    words: asked.map(({ text }) => text),
    isPrefix: !isPhrase || last?.kind === 'last',
    text: joined(asked),
  };
}

/** Terms as an FTS5 expression; undefined when there is nothing to look for. Words have nothing that is syntax to FTS5. */
export function toMatchExpression(terms: readonly Term[]): string | undefined {
  const strings = terms.map(({ words, isPrefix }) => `"${words.join(' ')}"${isPrefix ? '*' : ''}`);
  return strings.length === 0 ? undefined : strings.join(' AND ');
}

/** Where a text has what was asked for: from and to (exclusive), in UTF-16 code units, in order and without overlap. */
export type Range = readonly [from: number, to: number];

/** The parts of a text that were found, and the terms that found them. */
export interface Findings {
  readonly ranges: readonly Range[];
  readonly terms: readonly Term[];
}

/** Looks for terms in a text, as the index does. */
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
