/** What answers at the addresses of issuers' keys, by address. */
export const keyServer = new Map<string, () => Promise<Response>>();

/** What the Worker under test asks for keys. */
export async function fetchKeys(asked: RequestInfo | URL): Promise<Response> {
  const url = asked instanceof Request ? asked.url : String(asked);
  const answer = keyServer.get(url);
  return answer ? answer() : new Response('no such issuer', { status: 404 });
}
