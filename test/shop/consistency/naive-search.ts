/** The orders that a search must find, by the contract alone, where the contract is plain. */
import type { Order } from './naive-folds.ts';

/** Letters whose folding is not plain: it adds or removes a letter, or the script has no words. These are not judged. */
const NOT_PLAIN = /[^\p{ASCII}\p{Script=Latin}\p{Script=Cyrillic}\p{M}\s\p{P}\p{S}]|[ßŒœÆæØøĐđŁłıİŉſ]|\p{Cc}/u;

function plain(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

function wordsOf(text: string): readonly string[] {
  return plain(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** The texts of an order in which is searched. */
export function textsOf({ customerName, items, tracking }: Order): readonly string[] {
  return [customerName, ...items.flatMap(({ name, sku }) => [name, sku]), ...(tracking === null ? [] : [tracking])];
}

interface Term {
  readonly words: readonly string[];
  readonly isPhrase: boolean;
}

/** More words than count. */
const MAX_WORDS = 16;

/**
 * Whether a search finds an order: every word as the beginning of a word, every phrase in quotes as it stands, in any of its texts.
 * Undefined where the contract does not make it plain.
 */
export function finds(q: string, order: Order): boolean | undefined {
  const texts = textsOf(order);
  if (NOT_PLAIN.test(q) || texts.some((text) => NOT_PLAIN.test(text))) return undefined;
  const terms = [...q.matchAll(/"([^"]*)"|([^\s"]+)/gu)]
    .map(([, phrase, word]): Term => ({ words: wordsOf(phrase ?? word ?? ''), isPhrase: phrase !== undefined }))
    .filter(({ words }) => words.length > 0);
  if (terms.length === 0) return false;
  if (terms.flatMap(({ words }) => words).length > MAX_WORDS) return undefined;
  return terms.every((term) => texts.some((text) => has(wordsOf(text), term)));
}

function has(text: readonly string[], { words, isPhrase }: Term): boolean {
  return text.some((_, from) =>
    words.every((word, index) => {
      const there = text[from + index] ?? '';
      return isPhrase || index < words.length - 1 ? there === word : there.startsWith(word);
    }),
  );
}

/** Searches that have to find this order: by a word, the beginning of one, a phrase, a SKU, the tracking number. */
export function searchesFor(order: Order): readonly string[] {
  const { customerName, items, tracking } = order;
  const [first = ''] = wordsOf(customerName);
  const candidates = [
    `"${customerName.replaceAll('"', ' ')}"`,
    first,
    first.slice(0, Math.ceil(first.length / 2)),
    ...items.slice(0, 1).flatMap(({ name, sku }) => [`"${name.replaceAll('"', ' ')}" ${first}`, sku]),
    ...(tracking === null ? [] : [tracking]),
  ];
  return candidates.filter((q) => finds(q, order) === true && q.length <= 500);
}
