/*
 * Splits a text into words. The index, the queries and the highlights use the same rules. The rules use Unicode's own data, so they hold for every
 * script (docs/decisions/0026-a-search-folds-text-itself.md).
 *
 * A word is letters, digits and the marks that its script spells with. Case, width, accents, points and invisible characters are folded away. A run
 * of a script without spaces between words becomes overlapping pairs of characters and its last character alone, so that a search finds any part
 * of the run.
 *
 * The stored index was folded by these rules and by the Unicode tables of the runtime. When either changes, `order-search` needs a new revision
 * (docs/change-a-read-model.md). test/shop/orders/search-words.test.ts detects a change.
 */

/** Scripts without spaces between words: those of East Asia, and those whose Line_Break is SA (complex context). */
const UNSPACED = String.raw`[[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Tang}\p{scx=Nshu}\p{scx=Kits}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tale}\p{scx=Talu}\p{scx=Lana}\p{scx=Tavt}\p{scx=Ahom}\p{scx=Java}\p{scx=Bali}]&&[\p{L}\p{N}]]`;

/** Letters, by category, that look like apostrophes and accents. They separate words, like the punctuation that looks the same. */
const APOSTROPHE = String.raw`[\u02B9-\u02FF\uA700-\uA721\uA788-\uA78C]`;

/** Invisible characters (soft hyphens, joiners, directions, selectors, fillers), and the tatweel, which only lengthens a word. */
const INVISIBLE = String.raw`\p{DI}\p{Cf}\u0640\u07FA`;

/**
 * Optional marks: accents of alphabets and points of abjads. In other scripts, a mark is a vowel or a tone, and the word changes without it. The nukta
 * of Devanagari counts as optional, since writers mostly omit it. The voicing marks of kana do not: they belong to several scripts, but are no accents.
 */
const OPTIONAL_MARK = String.raw`[[[\p{M}&&[\p{sc=Zinh}\p{sc=Zyyy}\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Copt}\p{sc=Glag}\p{sc=Ethi}\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Samr}\p{sc=Mand}]]\u093C]--[\u3099\u309A]]`;

const DROPPED = new RegExp(`[${INVISIBLE}${OPTIONAL_MARK}]`, 'gv');

/** A character with its marks, invisible characters, half-width sound marks, and letters that compose with it (jamo, Kirat Rai). */
const CLUSTER = /[^][\p{M}\p{DI}\p{Cf}\u1160-\u11FF\uD7B0-\uD7FF\uFF9E\uFF9F\u{16D67}]*/gv;

const RUN = String.raw`(?:[${UNSPACED}--${APOSTROPHE}]\p{M}*)+`;
const WORD = new RegExp(`${RUN}|[[\\p{L}\\p{N}\\p{M}]--${UNSPACED}--${APOSTROPHE}]+`, 'gv');
const STARTS_RUN = new RegExp(`^${RUN}`, 'v');
const CHARACTER = /[^]\p{M}*/gv;

const ASCII = /^[\0-\x7F]*$/;
const ASCII_WORD = /[a-z0-9]+/g;

/** The most words of one text. 200 characters have fewer, unless they are ligatures of whole phrases (ﷺ is four words). */
const MAX_WORDS_OF_A_TEXT = 256;
/** The most characters of one word. */
const MAX_WORD_LENGTH = 64;

/** A text without case, accents and other differences that a search ignores. */
interface Folded {
  readonly folded: string;
  /** The start, in the original text, of the cluster from which a code unit of `folded` comes. */
  readonly startOf: (unit: number) => number;
  /** The end of that cluster (exclusive). */
  readonly endOf: (unit: number) => number;
}

export interface Word {
  readonly text: string;
  /** Its start in the folded text. */
  readonly at: number;
  /** In a run without spaces: a pair of characters, which overlaps the next pair, or the last character alone. */
  readonly kind: 'word' | 'pair' | 'last';
}

/** A folded text, split into words. */
export interface FoldedText extends Omit<Folded, 'folded'> {
  readonly words: readonly Word[];
}

/** Folds a text into its words. */
export function fold(text: string): FoldedText {
  // Most texts are ASCII, and this path is by far the cheapest.
  if (ASCII.test(text)) {
    const words = text.toLowerCase().matchAll(ASCII_WORD).take(MAX_WORDS_OF_A_TEXT);
    return {
      words: Array.from(words, ({ 0: word, index }) => wordOf(word, index)),
      startOf: (unit) => unit,
      endOf: (unit) => unit + 1,
    };
  }
  const { folded, startOf, endOf } = foldCharacters(text);
  const words: Word[] = [];
  for (const { 0: part, index } of folded.matchAll(WORD)) {
    words.push(...(STARTS_RUN.test(part) ? pairsOf(part, index) : [wordOf(part, index)]));
    if (words.length >= MAX_WORDS_OF_A_TEXT) break;
  }
  return { words: words.slice(0, MAX_WORDS_OF_A_TEXT), startOf, endOf };
}

function foldCharacters(text: string): Folded {
  let folded = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: cluster, index } of text.matchAll(CLUSTER)) {
    const bare = bareOf(cluster, DROPPED);
    for (let unit = 0; unit < bare.length; unit += 1) {
      starts.push(index);
      ends.push(index + cluster.length);
    }
    folded += bare;
  }
  return { folded, startOf: (unit) => starts[unit] ?? 0, endOf: (unit) => ends[unit] ?? text.length };
}

/** A cluster in one case and in compatibility form, without the dropped characters. */
export function bareOf(cluster: string, dropped: RegExp): string {
  const plain = cluster.normalize('NFKD').replaceAll(dropped, '');
  // Through upper case, since it equates more: ς and σ, ß and ss, ı and i. Lower case comes first, since ẞ must become ß.
  return plain.toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}

function wordOf(text: string, at: number): Word {
  const isShort = text.length <= MAX_WORD_LENGTH;
  return { text: isShort ? text : Array.from(text).slice(0, MAX_WORD_LENGTH).join(''), at, kind: 'word' };
}

function pairsOf(run: string, at: number): readonly Word[] {
  const characters = Array.from(run.matchAll(CHARACTER).take(MAX_WORDS_OF_A_TEXT));
  return characters.map(({ 0: character, index }, place): Word => {
    const [next] = characters[place + 1] ?? [];
    return { text: character + (next ?? ''), at: at + index, kind: next === undefined ? 'last' : 'pair' };
  });
}
