/*
 * The one rule for text that people give: what is refused, and the form in which the rest is compared, recorded and answered. Which texts are
 * which is in test/tidemark/http/texts.json. A SKU is stricter (sku.ts), since products follow from it.
 */

// Controls; what turns the direction of other text; what is no character, or half of one: none of them would be read as it was sent.
const REFUSED = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u202A-\u202E\u2066-\u2069]/u;

/** Whether a text has only what may be in one. */
export function isPlain(text: string): boolean {
  return !REFUSED.test(text);
}

/** What shows nothing though no property says so: the empty braille pattern, the object replacement character, and two fillers. */
const BLANK = String.raw`\u2800\uFFFC\u{16FE4}\u{1D159}`;

/** Formats that show: signs before numbers, the end of an ayah, the abbreviation mark of Syriac (Prepended_Concatenation_Mark). */
const SHOWN_FORMAT = String.raw`\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\u{110BD}\u{110CD}`;

const VISIBLE = new RegExp(String.raw`[^\s\p{Z}\p{DI}${BLANK}[\p{Cf}--[${SHOWN_FORMAT}]]]`, 'v');
const HAS_BLANK = new RegExp(`[${BLANK}]`, 'v');

/** Whether there is anything to see: more than spaces, joiners, selectors, fillers, marks of direction and other formats. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/** Whether a character shows nothing though it is neither a space nor a format. */
export function hasBlank(text: string): boolean {
  return HAS_BLANK.test(text);
}

/** A text with one ordinary space between words, and none around them. */
export function spaced(text: string): string {
  return text.replaceAll(/\p{Z}+/gu, ' ').trim();
}

/** A text in the form in which it is compared and recorded: NFC, one ordinary space between words, none around them. */
export function normalText(text: string): string {
  return spaced(text).normalize('NFC');
}

/** The most characters that NFC makes one of: ᾂ may come as a letter with three marks. */
const MOST_COMPOSED = 4;

/**
 * Whether NFC may have at most `max` characters: no text that has is refused. To be asked before a text is normalised, since marks are put
 * into sequence in a time that grows with the square of their number.
 */
export function mayFit(text: string, max: number): boolean {
  const most = max * MOST_COMPOSED;
  return text.length <= most || Array.from(text).length <= most;
}

const UNSEEN = String.raw`\x20\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028\u2029\u202f\u205f-\u2065\u206a-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc`;
const NEVER = String.raw`\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff`;

/**
 * Both checks as the one pattern that a generator takes: two would be an `allOf`, of which many make `unknown`. It means the same with the
 * flag `u` and without, since linters leave it out; so it says nothing of characters past U+FFFF. No two parts of it take the same
 * character, so that no text makes it slow.
 */
export const PLAIN_AND_VISIBLE = `^[${UNSEEN}]*[^${UNSEEN}${NEVER}][^${NEVER}]*$`;
