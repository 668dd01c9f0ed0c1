import { MAX_BODY_BYTES, MAX_NESTING } from '../../../src/tidemark/http/limits.ts';
import { type Breakage, MEMBERS } from './breakages.ts';
import type { Cast } from './cast.ts';
import type { WantedRequest } from './wanted-request.ts';

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

type Of<Kind extends Breakage['of']> = Extract<Breakage, { of: Kind }>;

/** Breaks a request in the ways that it says, with what exists filled in. */
export async function wireRequest(wanted: WantedRequest, cast: Cast): Promise<WireRequest> {
  const broken = <Kind extends Breakage['of']>(kind: Kind) =>
    wanted.breakages.filter((breakage): breakage is Of<Kind> => breakage.of === kind);
  const method = broken('method').at(-1)?.method ?? wanted.method;
  const value = broken('body').reduce(withBrokenValue, wanted.body);
  const body =
    value === undefined || method === 'GET' || method === 'HEAD'
      ? undefined
      : await bodyOf(value, broken('bytes'), cast);
  const headers: Record<string, string> = {
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...wanted.headers,
  };
  for (const { name, value: text } of broken('header')) headers[name] = text;
  for (const { name } of broken('no-header')) delete headers[name];
  for (const [name, text] of Object.entries(headers)) headers[name] = sendable(await cast.fill(text));
  const [path, query] = [await pathOf(wanted, broken('path'), cast), await queryOf(wanted, broken('query'), cast)];
  return { method, path: query === '' ? path : `${path}?${query}`, headers, ...(body !== undefined && { body }) };
}

async function pathOf(wanted: WantedRequest, breakages: readonly Of<'path'>[], cast: Cast): Promise<string> {
  let { template } = wanted;
  const inPath = (value: string) => encodeURIComponent(value.toWellFormed());
  for (const [name, value] of Object.entries(wanted.params)) {
    const segment = breakages.find(({ change }) => change === 'segment');
    const text = value.startsWith('⟦') ? await cast.fill(value, inPath) : inPath(value);
    template = template.replace(`{${name}}`, () => segment?.text ?? text);
  }
  return breakages.reduce((path, { change, text }) => {
    switch (change) {
      case 'append':
        return `${path}${text}`;
      case 'prepend':
        return `/${text}${path}`;
      case 'case':
        return path.toUpperCase();
      case 'codes':
        return path.replaceAll(/[a-f]/g, (letter) => `%${letter.codePointAt(0)?.toString(16)}`);
      case 'segment':
        return path;
      default:
        return change satisfies never;
    }
  }, template);
}

async function queryOf(wanted: WantedRequest, breakages: readonly Of<'query'>[], cast: Cast): Promise<string> {
  let pairs = await Promise.all(
    Object.entries(wanted.query).map(async ([name, value]) => [name, await cast.fill(String(value))] as const),
  );
  // Without an earlier answer there is no cursor to send.
  pairs = pairs.filter(([name, value]) => value !== '' || !['cursor', 'after'].includes(name));
  let raw = '';
  for (const { change, name, value } of breakages) {
    const same = pairs.find(([other]) => other === name);
    if (change === 'raw') raw += `${raw === '' && pairs.length === 0 ? '' : '&'}${value}`;
    else if (change === 'twice') pairs = [...pairs, same ?? [name, value], [name, value]];
    else if (change === 'add') pairs = [...pairs, [name, value]];
    else pairs = [...pairs.filter((pair) => pair !== same), [name, value]];
  }
  const wellFormed = pairs.map(([name, value]) => [name.toWellFormed(), value.toWellFormed()]);
  return `${new URLSearchParams(wellFormed).toString()}${raw}`;
}

/** Where in a value everything is: the way to each member, the whole first. */
function placesOf(value: unknown, way: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [way];
  const members: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [way, ...members.flatMap(([name, member]) => placesOf(member, [...way, name]))];
}

function withBrokenValue(body: unknown, { change, at, name, value }: Of<'body'>): unknown {
  if (change === 'none') return undefined;
  if (change === 'whole' || body === undefined) return value;
  if (change === 'wrap') {
    const levels = (at % 2 === 0 ? MAX_NESTING - 2 : 400) + (at % 5);
    return wrapped(body, at, (inside) => nest(inside, levels, at % 3 === 0));
  }
  if (change === 'value') return wrapped(body, at, () => value);
  const places = placesOf(body).filter((way) => way.length > 0);
  if (change === 'drop') {
    const way = places[at % Math.max(places.length, 1)];
    return way === undefined ? undefined : without(body, way);
  }
  return wrapped(body, at, (inside) =>
    typeof inside === 'object' && inside !== null && !Array.isArray(inside)
      ? Object.fromEntries([...Object.entries(inside), [name, value]])
      : [inside, value],
  );
}

function nest(value: unknown, levels: number, isArray: boolean): unknown {
  let nested = value;
  for (let level = 0; level < levels; level += 1) nested = isArray ? [nested] : { x: nested };
  return nested;
}

/** The value with one of its places, the `at`-th, made into something else. */
function wrapped(value: unknown, at: number, change: (inside: unknown) => unknown): unknown {
  const places = placesOf(value);
  return changedAt(value, places[at % places.length] ?? [], change);
}

function changedAt(value: unknown, way: readonly (string | number)[], change: (inside: unknown) => unknown): unknown {
  const [first, ...rest] = way;
  if (first === undefined) return change(value);
  if (Array.isArray(value)) return value.with(Number(first), changedAt(value[Number(first)], rest, change));
  const members = Object.entries(value as object);
  return Object.fromEntries(
    members.map(([name, member]) => [name, name === first ? changedAt(member, rest, change) : member]),
  );
}

function without(value: unknown, way: readonly (string | number)[]): unknown {
  const name = way.at(-1);
  return changedAt(value, way.slice(0, -1), (inside) =>
    Array.isArray(inside)
      ? inside.toSpliced(Number(name), 1)
      : Object.fromEntries(Object.entries(inside as object).filter(([member]) => member !== name)),
  );
}

async function bodyOf(
  value: unknown,
  breakages: readonly Of<'bytes'>[],
  cast: Cast,
): Promise<string | Uint8Array<ArrayBuffer>> {
  // Numbers that JSON.stringify would write otherwise, or not at all.
  const text = JSON.stringify(value).replaceAll(/"⟦raw:([^⟧"]*)⟧"/g, '$1');
  const whole = await cast.fill(text, (inside) => JSON.stringify(inside).slice(1, -1));
  if (breakages.length === 0 && whole.isWellFormed()) return whole;
  return breakages.reduce<Uint8Array<ArrayBuffer>>(withBrokenBytes, Uint8Array.from(new TextEncoder().encode(whole)));
}

function withBrokenBytes(body: Uint8Array<ArrayBuffer>, { change, at, bytes }: Of<'bytes'>): Uint8Array<ArrayBuffer> {
  const index = at % (body.length + 1);
  const joined = (...parts: readonly (Uint8Array | readonly number[])[]) =>
    Uint8Array.from(parts.flatMap((part) => [...part]));
  const text = () => new TextDecoder().decode(body);
  switch (change) {
    case 'flip':
      return body.map((byte, place) => (place === index ? byte ^ (1 << (at % 8)) : byte));
    case 'cut':
      return body.slice(0, index);
    case 'insert':
      return joined(body.subarray(0, index), bytes, body.subarray(index));
    case 'member':
      return Uint8Array.from(new TextEncoder().encode(text().replace('{', () => `{${MEMBERS[at % MEMBERS.length]}`)));
    case 'utf-16':
      return joined(
        Array.from(text(), (character) => character.charCodeAt(0)).flatMap((code) => [code & 0xff, code >> 8]),
      );
    case 'pad':
      // To the largest that is allowed, and around it.
      return joined(
        body,
        Array.from({ length: Math.max(MAX_BODY_BYTES - body.length - 2 + (at % 5), 0) }, () => 0x20),
      );
    case 'twice':
      return joined(body, body);
    default:
      return change satisfies never;
  }
}

/** What a client can put into a header. More than ASCII it can too, but the runtime that sends it warns of each such value. */
function sendable(text: string): string {
  return text.replaceAll(/[^\t\x20-\x7e]/g, '');
}
