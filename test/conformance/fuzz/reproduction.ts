import type { WireRequest } from './wire-request.ts';

/** A request as a program that sends it again: bodies that are no text as their bytes. */
export function reproduction({ method, path, headers, body }: WireRequest): string {
  const isText = typeof body === 'string';
  const bytes = body === undefined || isText ? '' : `Uint8Array.from(${JSON.stringify([...body.subarray(0, 500)])})`;
  const more = !isText && (body?.length ?? 0) > 500 ? ` // and ${(body?.length ?? 0) - 500} bytes more` : '';
  return [
    `await request(`,
    `  ${JSON.stringify(method)},`,
    `  ${JSON.stringify(path)},`,
    `  ${JSON.stringify(headers)},`,
    ...(body === undefined ? [] : [`  ${isText ? JSON.stringify(body) : bytes},${more}`]),
    `)`,
  ].join('\n');
}
