import fc from 'fast-check';

import { asOperator } from '../../support/api.ts';
import { anyText, edgeNumber } from './any-value.ts';
import { place } from './cast.ts';

const number = fc.nat(40);
const from = (...values: readonly string[]) => fc.constantFrom(...values);

/** Values of request headers that a client may send as the document describes them. */
export const goodHeader: Readonly<Record<string, fc.Arbitrary<string>>> = {
  Authorization: fc.constant(asOperator['Authorization'] ?? ''),
  'X-Causal-Token': number.map((index) => place('token', index)),
  'X-Version': from('1', '2', '3', '40', '9007199254740991'),
  'If-Match': from('"1"', '"2"', 'W/"3"', '*', ' "1" '),
  'If-None-Match': from('"1"', 'W/"2"', '"1", "2"', '*'),
  'Idempotency-Key': fc.oneof(
    number.map((index) => `key-${index}`),
    fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 255,
    }),
    fc.constant('k'.repeat(255)),
  ),
  Prefer: from(
    'wait=1',
    'return=representation',
    'respond-async',
    'return=representation, wait=2',
    'wait="3"; x=1',
    'other',
  ),
  'X-Correlation-Id': from('c', 'A.b_c-9', 'x'.repeat(128)),
  traceparent: from('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
  Accept: from('*/*', 'application/json', 'text/csv', 'text/csv;q=0.5, application/json;q=0.4', 'application/*'),
};

const anyHeaderText = fc.oneof(fc.string({ unit: 'grapheme-ascii', maxLength: 40 }), anyText);

/** An invalid causal token: changed in a bit, cut, prolonged, signed with an unknown key, of a lost future, or of a former kind of stream. */
const badToken = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(number, from('flip', 'flip', 'flip', 'cut', 'other-key', 'ahead', 'prolonged', 'retired'), fc.nat(400))
      .map(([index, change, at]) => place('token', index, change, at)),
  },
  { weight: 1, arbitrary: from('AAAA', 'AQ', '=', 'x'.repeat(4096), 'x'.repeat(5000)) },
  { weight: 1, arbitrary: fc.base64String({ maxLength: 200 }) },
);

/** Values of every header that the system looks at, most of them wrong. */
const BAD: Readonly<Record<string, fc.Arbitrary<string>>> = {
  Authorization: from('Bearer wrong', 'Bearer', 'Basic YTpi', 'bearer  x', `Bearer ${'x'.repeat(3000)}`, ''),
  'X-Causal-Token': badToken,
  'X-Version': fc.oneof(edgeNumber, from('', ' ', '0', '-1', '1 ', '"1"', '１', '1, 2', 'latest', '9'.repeat(400))),
  'If-Match': fc.oneof(
    edgeNumber.map((value) => `"${value}"`),
    from('', 'w/"1"', '"1", "2"', '"0"', '1', '"', '""', `"${'1'.repeat(400)}"`),
  ),
  'If-None-Match': from('', ',,,', 'W/', '"', '"x"', `${'"1",'.repeat(500)}"2"`),
  'Idempotency-Key': from('', ' ', 'a b', 'é', 'k'.repeat(256), 'k'.repeat(8000), '\t', '🌊'),
  Prefer: from(
    'wait=0',
    'wait=11',
    'wait=1e9',
    'wait=-1',
    'wait=',
    'wait="',
    '"wait=1"',
    'return=',
    '=,;=',
    ','.repeat(2000),
    ' '.repeat(3000),
    'a="\\',
    'WAIT=1, wait=2',
  ),
  'X-Correlation-Id': from('', ' ', 'x'.repeat(129), 'a b', '../..', '<script>', 'é'),
  traceparent: from(
    '',
    '00',
    'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more',
  ),
  Accept: from('', 'text/html', ';', 'q=', 'text/csv;q=x', 'text/csv;q=2', 'a/b,'.repeat(800), 'text/csv;q=0'),
  'Content-Type': from(
    '',
    'text/plain',
    'application/xml',
    'application/problem+json',
    'application/x+json',
    'application/jsonp',
    'APPLICATION/JSON',
    'application/json; charset=utf-16',
    'application/json; charset=',
    'application/json; charset="utf-8"',
    'application/json, text/plain',
    'multipart/form-data; boundary=x',
  ),
  'Content-Encoding': from('gzip', 'br', 'identity', 'gzip, identity', '', 'x'),
  Origin: from('https://shop.example', 'https://evil.example', 'null', '*', ''),
  'Access-Control-Request-Method': from('POST', 'DELETE', 'x'),
  Range: from('bytes=0-1', 'bytes=-1', 'bytes=0-0,1-1', `bytes=${'0-,'.repeat(900)}`, 'x'),
  'If-Range': from('"1"', 'Mon, 23 Nov 2026 09:00:00 GMT', 'x'),
  'If-Modified-Since': from('Mon, 23 Nov 2026 09:00:00 GMT', 'x'),
  'If-Unmodified-Since': from('Mon, 23 Nov 2026 09:00:00 GMT', 'x'),
  'Accept-Language': from('de', '*', ';', 'x'.repeat(2000)),
  'Accept-Encoding': from('gzip', 'identity;q=0', '*;q=0', 'x'),
  'Sec-Fetch-Site': from('same-origin', 'none', 'cross-site', 'same-site', '', 'x'),
  Cookie: from('a=b', '='.repeat(100)),
  'X-HTTP-Method-Override': from('DELETE'),
  'X-Forwarded-For': from('127.0.0.1'),
};

/** One header, by name and value: mostly one of those that an operation declares. */
export function badHeaderOf(declared: readonly string[]): fc.Arbitrary<readonly [name: string, value: string]> {
  const known = declared.filter((name) => name in BAD);
  const all = fc.constantFrom(...Object.keys(BAD));
  const names = known.length === 0 ? all : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, all);
  return names.chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.oneof(
        { weight: 4, arbitrary: BAD[name] ?? anyHeaderText },
        { weight: 1, arbitrary: goodHeader[name] ?? anyHeaderText },
        { weight: 1, arbitrary: anyHeaderText },
      ),
    ),
  );
}
