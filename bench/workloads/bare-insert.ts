import type { RequestTemplate } from '../load/load-protocol.ts';

/** A body as long as an event of Tidemark's. */
export const ROW = JSON.stringify({ data: 'x'.repeat(300) });

/** A row for the bare object of this name. */
export const bareInsert = (name: string): RequestTemplate => ({
  method: 'POST',
  path: `/object/${name}`,
  status: 200,
  body: ROW,
});
