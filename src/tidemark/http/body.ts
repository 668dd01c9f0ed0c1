import type { Context } from 'hono';
import { en } from 'zod/locales';
import * as z from 'zod/mini';

import { HEADER } from './headers.ts';
import { MAX_BODY_BYTES, MAX_FAULTS, MAX_NESTING } from './limits.ts';
import { Problem } from './problem.ts';

// zod/mini has no messages of its own: without these, every fault would be "Invalid input".
z.config(en());

/** A request's body: the parsed value, and the bytes for the fingerprint. */
export interface Body<Value> {
  readonly value: Value;
  readonly bytes: Uint8Array;
}

/**
 * Reads a JSON body by its schema. Throws a problem: 413 when the body is too large, 415 when it is not JSON, 400 when it is malformed or has
 * invalid fields, with a JSON pointer for each. With `isOptional`, an absent body reads as `{}`.
 */
export async function readBody<Schema extends z.ZodMiniType>(
  c: Context,
  schema: Schema,
  isOptional = false,
): Promise<Body<z.output<Schema>>> {
  const bytes = await readBytes(c.req.raw);
  if (bytes.byteLength === 0 && isOptional) return { value: parseFields(schema, {}), bytes };
  requireJson(c);
  const value = parseJson(bytes);
  if (isDeeperThan(value, MAX_NESTING))
    throw new Problem(
      'malformed-body',
      `The body is nested more than ${MAX_NESTING} levels deep. Send it with fewer levels.`,
    );
  return { value: parseFields(schema, value), bytes };
}

/**
 * Refuses a body whose headers declare anything but uncompressed JSON in UTF-8. A type such as `application/merge-patch+json` is JSON too, but says
 * what the JSON means, and no route means that. A page of another origin needs a preflight to send JSON, so this also stands behind `refuseCrossSite`.
 */
function requireJson(c: Context): void {
  const encoding = c.req.header(HEADER.contentEncoding)?.trim().toLowerCase() ?? '';
  if (encoding !== '' && encoding !== 'identity') {
    const detail = `Send the body without ${HEADER.contentEncoding}: the server does not decode ${encoding}.`;
    throw new Problem('not-json', detail);
  }
  const [type = '', ...parameters] = (c.req.header(HEADER.contentType) ?? '').toLowerCase().split(';');
  const mediaType = type.trim();
  if (mediaType !== 'application/json') {
    throw new Problem('not-json', `The body must be application/json, not ${mediaType || 'without a type'}.`);
  }
  const charset = parameters.flatMap((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)/.exec(parameter)?.[1] ?? [])[0];
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw new Problem('not-json', `The body must be in UTF-8, not in ${charset || 'a charset without a name'}.`);
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const header = request.headers.get('Content-Length');
  const declared = Number(header ?? 0);
  // The runtime passes on no more than was declared, and reading the body in one piece is much faster.
  if (header !== null && declared <= MAX_BODY_BYTES) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isTooLarge = declared > MAX_BODY_BYTES;
  // Reads on after the limit, up to a point: a client that is cut off while it sends may never see the answer.
  for await (const chunk of (request.body as ReadableStream<Uint8Array> | null) ?? []) {
    length += chunk.byteLength;
    isTooLarge ||= length > MAX_BODY_BYTES;
    if (!isTooLarge) chunks.push(chunk);
    if (length > MAX_BODY_BYTES * 64) break;
  }
  if (isTooLarge)
    throw new Problem('too-large', `The body is larger than ${MAX_BODY_BYTES} bytes. Send a smaller one.`);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new Problem('malformed-body', 'The body is not UTF-8. Send it in UTF-8.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem('malformed-body', `The body is not JSON: ${(error as Error).message}. Send valid JSON.`);
  }
  const doubled = doubledKey(text);
  if (doubled !== undefined)
    throw new Problem('malformed-body', `The key ${JSON.stringify(doubled)} occurs twice. Send it once.`);
  return value;
}

// A whole string, or one structural character.
const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * A key that occurs twice in one object; undefined if there is none. `text` is valid JSON. Parsers differ in which of the two counts (RFC 8259,
 * section 4), so a proxy that inspects the body could see another value than the server uses.
 */
function doubledKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let last = '';
  for (const [token] of text.matchAll(JSON_TOKEN)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
    last = token;
  }
  return undefined;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1));
}

/** Parses a value by its schema. Throws an `invalid-field` problem. */
export function parseFields<Schema extends z.ZodMiniType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = z.safeParse(schema, value, {
    error: ({ input }) => (input === undefined ? 'Is required.' : undefined),
  });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue): readonly Fault[] => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, detail: issue.message }];
    return issue.keys.map((key) => ({ path: [...issue.path, key], detail: 'There is no such field.' }));
  });
  throw invalidFields(faults);
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly detail: string;
}

/**
 * An `invalid-field` problem with a JSON pointer (RFC 6901) for each invalid field. It lists at most `MAX_FAULTS`, so that an answer does not
 * grow beyond its request.
 */
export function invalidFields(faults: readonly Fault[]): Problem {
  const byPointer = Map.groupBy(faults, ({ path }) => toPointer(path.map(String)));
  const errors = [...byPointer].slice(0, MAX_FAULTS).map(([pointer, same]) => ({
    pointer,
    detail: inSentences(same.map(({ detail }) => detail)),
  }));
  const [first] = errors;
  const more = byPointer.size > 1 ? ` (and ${byPointer.size - 1} more)` : '';
  return new Problem('invalid-field', `${first?.pointer || '/'}: ${first?.detail}${more}`, { errors });
}

/** Several faults of one field: each is a sentence of its own. Not every message of a schema ends with a full stop. */
export function inSentences(messages: readonly string[]): string {
  const [first = '', ...others] = new Set(messages);
  if (others.length === 0) return first;
  return [first, ...others].map((message) => (/[.!?]$/.test(message) ? message : `${message}.`)).join(' ');
}

function toPointer(path: readonly string[]): string {
  return path.map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
