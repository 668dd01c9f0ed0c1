/*
 * The one rule for text that people type: which texts are refused, and the normal form in which the others are compared, recorded and answered.
 * test/tidemark/http/texts.json has examples. A domain may be stricter.
 */

// Control characters, direction overrides, noncharacters and lone surrogates: no reader would see them as they were sent.
const REFUSED = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u202A-\u202E\u2066-\u2069]/u;

/** Whether a text contains no refused character. */
export function isPlain(text: string): boolean {
  return !REFUSED.test(text);
}

/** Blank characters that no Unicode property marks: the empty braille pattern, the object replacement character, and two fillers. */
const BLANK = String.raw`\u2800\uFFFC\u{16FE4}\u{1D159}`;

/** Visible format characters: signs before numbers, the end of an ayah, the abbreviation mark of Syriac (Prepended_Concatenation_Mark). */
const SHOWN_FORMAT = String.raw`\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\u{110BD}\u{110CD}`;

const VISIBLE = new RegExp(String.raw`[^\s\p{Z}\p{DI}${BLANK}[\p{Cf}--[${SHOWN_FORMAT}]]]`, 'v');
const HAS_BLANK = new RegExp(`[${BLANK}]`, 'v');

/** Whether a text has a visible character: not only spaces, joiners, selectors, fillers, direction marks and other formats. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/**
 * Whether a text contains a blank character that is neither a space nor a format character, such as U+2800. Use it for texts that must be unique, where
 * two of them must not look the same.
 *
 *     hasBlank('A\u2800'); // true
 *     hasBlank('A 1'); // false
 */
export function hasBlank(text: string): boolean {
  return HAS_BLANK.test(text);
}

/** A text with one ordinary space between words, and none around them. */
export function spaced(text: string): string {
  return text.replaceAll(/\p{Z}+/gu, ' ').trim();
}

/**
 * The normal form of a text, in which it is compared and recorded: NFC, one ordinary space between words, none around them. It keeps the case. Use it in
 * a projection, where old events may hold a text as it was typed.
 *
 *     normalText('  Storm\u00a0 lamp '); // 'Storm lamp'
 */
export function normalText(text: string): string {
  return spaced(text).normalize('NFC');
}

/** The most characters that NFC composes to one: ᾂ may be a letter with three marks. */
const MOST_COMPOSED = 4;

/**
 * Whether the NFC form of a text can have at most `max` characters. Call it before normalising: sorting marks takes a time that grows with the square
 * of their number.
 */
export function mayFit(text: string, max: number): boolean {
  const most = max * MOST_COMPOSED;
  return text.length <= most || Array.from(text).length <= most;
}

const UNSEEN = String.raw`\x20\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028\u2029\u202f\u205f-\u2065\u206a-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc`;
const NEVER = String.raw`\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff`;

/**
 * Both checks as one pattern for the OpenAPI document. Two patterns would be an `allOf`, for which many generators make `unknown`. It means the same
 * with and without the flag `u`, since linters omit the flag. So it says nothing about characters past U+FFFF. Its first two parts match no
 * common character, so no text makes it slow.
 */
export const PLAIN_AND_VISIBLE = `^[${UNSEEN}]*[^${UNSEEN}${NEVER}][^${NEVER}]*$`;
