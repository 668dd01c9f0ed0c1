/*
 * The folding of `order-search`, revision 1. Its index was made with it, so it must not change while that revision may be live. Only the work of one
 * query is bounded, as in search-text.ts.
 */
import { MAX_WORDS, partsOf } from './search-text.ts';
import { bareOf } from './search-words.ts';

const CJK_CHARACTER = String.raw`[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々]`;
const CJK = new RegExp(`${CJK_CHARACTER}+`, 'gv');
const ENDS_IN_CJK = new RegExp(`${CJK_CHARACTER}$`, 'v');
/** A character with its marks: accents, vowel and final jamo, half-width sound marks. */
const CLUSTER = /[^][\p{M}\u1160-\u11FF\uFF9E\uFF9F]*/gu;
const ACCENTS = /[\u0300-\u036F]/gu;

function fold(text: string): string {
  return text.replaceAll(CLUSTER, (cluster) => bareOf(cluster, ACCENTS));
}

/** The form of a text in the index. */
export function toIndexText1(text: string): string {
  return fold(text).replaceAll(CJK, (run) => ` ${bigrams(run).join(' ')} `);
}

function bigrams(run: string): readonly string[] {
  const characters = Array.from(run);
  return characters.map((character, index) => character + (characters[index + 1] ?? ''));
}

/** Makes an FTS5 expression of a typed text. Without a word, the expression matches nothing. */
export function toMatchExpression1(typed: string): string {
  let left = MAX_WORDS;
  const strings = partsOf(typed).flatMap(({ text: part, isPhrase }) => {
    const text = fold(part);
    const words = toQueryText(text).match(/[\p{L}\p{N}\p{Co}]+/gu) ?? [];
    const counted = words.slice(0, left);
    left -= counted.length;
    const isPrefix = counted.length === words.length && (!isPhrase || ENDS_IN_CJK.test(text));
    return counted.length === 0 ? [] : [`"${counted.join(' ')}"${isPrefix ? '*' : ''}`];
  });
  return [...new Set(strings)].join(' AND ') || '""';
}

/** The form of a term in a query: as in the index, but without the single last character, since more characters may follow it in the index. */
function toQueryText(text: string): string {
  return text.replaceAll(CJK, (run, index: number) => {
    const pairs = bigrams(run);
    const isLast = index + run.length === text.length;
    return ` ${(isLast && pairs.length > 1 ? pairs.slice(0, -1) : pairs).join(' ')} `;
  });
}
