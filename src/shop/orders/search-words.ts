/*
 * How a text becomes words: the same for what is indexed, for what is asked, and for what is highlighted. All of it rests on Unicode's own
 * data, so it holds for every script (docs/decisions/0026-a-search-folds-text-itself.md).
 *
 * A word is letters, digits and the marks that its script spells with. Case, width, accents, points and whatever is invisible are folded
 * away. Scripts that put no spaces between words become overlapping pairs of characters, and the last one by itself, so that any part of a
 * run is found.
 *
 * What is stored in the index was folded by these rules and by the Unicode tables of the runtime. When either changes, `order-search` needs
 * a new revision (docs/change-a-read-model.md); test/shop/orders/search-words.test.ts tells when that is.
 */

/** Scripts without spaces between words: those of East Asia, and those whose Line_Break is SA (complex context). */
const UNSPACED = String.raw`[[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Tang}\p{scx=Nshu}\p{scx=Kits}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tale}\p{scx=Talu}\p{scx=Lana}\p{scx=Tavt}\p{scx=Ahom}\p{scx=Java}\p{scx=Bali}]&&[\p{L}\p{N}]]`;

/** Letters by category that are written as apostrophes and accents: they separate, as the punctuation does that looks the same. */
const APOSTROPHE = String.raw`[\u02B9-\u02FF\uA700-\uA721\uA788-\uA78C]`;

/** What cannot be seen (soft hyphens, joiners, directions, selectors, fillers), and the tatweel, which only makes a word longer. */
const INVISIBLE = String.raw`\p{DI}\p{Cf}\u0640\u07FA`;

/**
 * Marks that readers do without. Alphabets have accents and abjads have points; elsewhere a mark is a vowel or a tone, and another word
 * without it. The nukta of Devanagari is mostly left out, and the voicing marks of kana are not of one script and yet no accents.
 */
const OPTIONAL_MARK = String.raw`[[[\p{M}&&[\p{sc=Zinh}\p{sc=Zyyy}\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Copt}\p{sc=Glag}\p{sc=Ethi}\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Samr}\p{sc=Mand}]]\u093C]--[\u3099\u309A]]`;

const DROPPED = new RegExp(`[${INVISIBLE}${OPTIONAL_MARK}]`, 'gv');

/** A character with what belongs to it: marks, invisible characters, half-width sound marks, and letters that compose (jamo, Kirat Rai). */
const CLUSTER = /[^][\p{M}\p{DI}\p{Cf}\u1160-\u11FF\uD7B0-\uD7FF\uFF9E\uFF9F\u{16D67}]*/gv;

const RUN = String.raw`(?:[${UNSPACED}--${APOSTROPHE}]\p{M}*)+`;
const WORD = new RegExp(`${RUN}|[[\\p{L}\\p{N}\\p{M}]--${UNSPACED}--${APOSTROPHE}]+`, 'gv');
const STARTS_RUN = new RegExp(`^${RUN}`, 'v');
const CHARACTER = /[^]\p{M}*/gv;

const ASCII = /^[\0-\x7F]*$/;
const ASCII_WORD = /[a-z0-9]+/g;

/** More words of one text are not looked at: 200 characters have fewer, unless they are ligatures of whole phrases (ﷺ is four words). */
const MAX_WORDS_OF_A_TEXT = 256;
/** More characters of one word are not looked at. */
const MAX_WORD_LENGTH = 64;

/** A text without case, accents and all that makes no difference to a search. */
interface Folded {
  readonly folded: string;
  /** Where in the original the cluster begins that a code unit of `folded` comes from. */
  readonly startOf: (unit: number) => number;
  /** Where it ends. */
  readonly endOf: (unit: number) => number;
}

export interface Word {
  readonly text: string;
  /** Where it begins in the folded text. */
  readonly at: number;
  /** Of a run without spaces, a pair of characters overlaps the next one, and the last character is there once more by itself. */
  readonly kind: 'word' | 'pair' | 'last';
}

/** A text as a search sees it. */
export interface FoldedText extends Omit<Folded, 'folded'> {
  readonly words: readonly Word[];
}

/** Folds a text into its words. */
export function fold(text: string): FoldedText {
  // Most texts, and by far the cheapest.
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

/** A cluster in one case, compatible form and without what is to be dropped. */
export function bareOf(cluster: string, dropped: RegExp): string {
  const plain = cluster.normalize('NFKD').replaceAll(dropped, '');
  // By way of upper case, since it knows more that is equal: ς and σ, ß and ss, ı and i; but not ẞ, which has to be ß first.
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
