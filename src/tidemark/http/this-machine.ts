import { isLoopback } from '../access/loopback.ts';
import { HEADER } from './headers.ts';

/**
 * Whether a request names this machine: `localhost`, 127.0.0.0/8 or `[::1]`, in its URL and in its `Host`. A page can let its own name point here (DNS
 * rebinding); its requests have that name.
 */
export function isForThisMachine(request: Request): boolean {
  const host = request.headers.get(HEADER.host) ?? '';
  return isLoopback(new URL(request.url).hostname) && (host === '' || isLoopback(host.replace(/:\d*$/, '')));
}
