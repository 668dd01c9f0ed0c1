import fc from 'fast-check';

import { anyJson, anyText } from './any-value.ts';
import { toBase64Url } from './cast.ts';
import { badHeaderOf } from './header-values.ts';

/** One thing that is wrong with a request, or at least unusual. */
export type Breakage =
  | { readonly of: 'method'; readonly method: string }
  | {
      readonly of: 'path';
      readonly change: 'append' | 'prepend' | 'segment' | 'case' | 'codes';
      readonly text: string;
    }
  | {
      readonly of: 'query';
      readonly change: 'add' | 'twice' | 'value' | 'raw';
      readonly name: string;
      readonly value: string;
    }
  | { readonly of: 'header'; readonly name: string; readonly value: string }
  | { readonly of: 'no-header'; readonly name: string }
  | {
      readonly of: 'body';
      readonly change: 'value' | 'drop' | 'add' | 'wrap' | 'whole' | 'none';
      readonly at: number;
      readonly name: string;
      readonly value: unknown;
    }
  | {
      readonly of: 'bytes';
      readonly change: 'flip' | 'cut' | 'insert' | 'member' | 'utf-16' | 'pad' | 'twice';
      readonly at: number;
      readonly bytes: readonly number[];
    };

const from = (...values: readonly string[]) => fc.constantFrom(...values);
const at = fc.nat(200);

const METHODS = from(
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'LOCK',
  'PURGE',
  'QUERY',
);

const PARTS_OF_PATHS = from(
  '/',
  '//',
  '.',
  '..',
  '/..',
  '/.',
  '%',
  '%zz',
  '%00',
  '%2f',
  '%2e%2e',
  '%252f',
  '%F0%9F',
  '%ff',
  '%C0%AF',
  '%EF%BB%BF',
  ';x=1',
  ':',
  '*',
  '{id}',
  '\\',
  ' ',
  '🌊',
  '/history',
  '/events',
  '/search',
  '?',
  '#x',
  '%20',
  '~',
  'x'.repeat(3000),
  '/x'.repeat(500),
);

const NAMES = fc.oneof(
  from(
    'limit',
    'cursor',
    'after',
    'asOf',
    'status',
    'sku',
    'q',
    'from',
    'to',
    'groupBy',
    'dryRun',
    'accept',
    '__proto__',
    'constructor',
    'toString',
    'Limit',
    '',
  ),
  anyText,
);

const QUERY_VALUES = fc.oneof(
  anyText,
  from(
    '0',
    '-1',
    '1',
    '101',
    '1e2',
    '1.0',
    '99999999999999999999',
    ' 1',
    '+1',
    'true',
    'TRUE',
    '[]',
    '%',
    '%00',
    'a&b=c',
  ),
  // A time, a day, a cursor: in the form of one, and none.
  from(
    '2026-02-30',
    '2026-11-23T09:00:00',
    '2026-11-23t09:00:00z',
    '0000-00-00',
    '+275760-09-13',
    '9999-12-31T23:59:59.999-14:00',
  ),
  fc
    .tuple(from('listOrders', 'listProducts', 'feed', 'search', 'prices'), anyText, anyText)
    .map((parts) => base64Url(JSON.stringify(parts))),
  fc.json().map(base64Url),
  // Searches have a little language.
  from(
    '"',
    '""',
    '"a',
    'a*',
    '*',
    'a OR b',
    'NEAR(a b)',
    'col:a',
    '-a',
    '^a',
    "'; DROP TABLE event; --",
    '(((((',
    '\u0000',
    '東京',
    'a'.repeat(501),
    'a '.repeat(250),
  ),
);

const RAW_QUERIES = from(
  '%',
  '&&&',
  '=',
  '%00=%00',
  '%ff=%fe',
  '+=+',
  '%F0%9F=1',
  'limit=1;limit=2',
  '[]=1&[0]=2',
  'limit[]=1',
  '?',
  'a'.repeat(5000),
  'a=1&'.repeat(1000),
);

const BYTES = fc.oneof(
  fc.array(fc.nat(255), { minLength: 1, maxLength: 8 }),
  // A byte order mark, an over-long slash, half a surrogate, half a character, NUL, the end of what UTF-8 may be.
  fc.constantFrom(
    [0xef, 0xbb, 0xbf],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f],
    [0],
    [0xf4, 0x90, 0x80, 0x80],
    [0xff],
    [0x20],
    [0x7f],
  ),
);

/** Members as text: twice there, named as what objects have anyway, escaped into half a character. */
export const MEMBERS = [
  '"__proto__":{"reason":"x"},',
  '"constructor":1,',
  '"reason":"\\ud800",',
  '"reason":"\\u0000",',
  '"reason":"a",',
  '"":0,',
  '/**/',
  ',',
] as const;

/** What of a request there is to break. */
export interface Breakable {
  /** Names of the query parameters that it may have. */
  readonly queryNames: readonly string[];
  /** Names of the headers that it may have. */
  readonly headers: readonly string[];
  readonly hasBody: boolean;
}

/** Everything that breaks a request, one thing at a time. */
export function breakagesOf({ queryNames, headers, hasBody }: Breakable): fc.Arbitrary<Breakage> {
  const names = queryNames.length > 0 ? fc.oneof({ weight: 4, arbitrary: from(...queryNames) }, NAMES) : NAMES;
  const query = fc.record({
    of: fc.constant('query' as const),
    change: fc.constantFrom('add' as const, 'twice' as const, 'value' as const, 'value' as const),
    name: names,
    value: QUERY_VALUES,
  });
  const raw = RAW_QUERIES.map((value) => ({ of: 'query' as const, change: 'raw' as const, name: '', value }));
  const body = fc.record({
    of: fc.constant('body' as const),
    change: fc.constantFrom(...(['value', 'value', 'value', 'drop', 'add', 'wrap', 'whole', 'none'] as const)),
    at,
    name: NAMES,
    value: anyJson,
  });
  const bytes = fc.record({
    of: fc.constant('bytes' as const),
    change: fc.constantFrom(...(['flip', 'cut', 'insert', 'member', 'utf-16', 'pad', 'twice'] as const)),
    at: fc.nat(2000),
    bytes: BYTES,
  });
  const path = fc.record({
    of: fc.constant('path' as const),
    change: fc.constantFrom(...(['append', 'prepend', 'segment', 'case', 'codes'] as const)),
    text: fc.oneof(
      PARTS_OF_PATHS,
      anyText.map((text) => encodeURIComponent(text.toWellFormed())),
    ),
  });
  return fc.oneof(
    { weight: 1, arbitrary: METHODS.map((method) => ({ of: 'method' as const, method })) },
    { weight: 2, arbitrary: path },
    { weight: queryNames.length > 0 ? 6 : 2, arbitrary: query },
    { weight: 1, arbitrary: raw },
    { weight: 5, arbitrary: badHeaderOf(headers).map(([name, value]) => ({ of: 'header' as const, name, value })) },
    { weight: 1, arbitrary: from('Authorization', 'Content-Type').map((name) => ({ of: 'no-header' as const, name })) },
    { weight: hasBody ? 6 : 1, arbitrary: body },
    { weight: hasBody ? 3 : 0, arbitrary: bytes },
  );
}

function base64Url(text: string): string {
  return toBase64Url(new TextEncoder().encode(text.toWellFormed()));
}
