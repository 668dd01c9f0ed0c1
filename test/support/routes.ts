import { get } from './api.ts';
import { allOperations } from './api-operations.ts';
import { createOneOfEach } from './examples.ts';

/** Every route with ids that exist, as `METHOD path`. */
export async function everyRoute(): Promise<readonly string[]> {
  const operations = await allOperations();
  const ids: Record<string, string> = { code: 'not-found' };
  for (const { idName, id, stream, path } of await createOneOfEach(operations)) {
    Object.assign(ids, { [idName]: id, stream });
    // The read model has heard of it.
    if (operations.some(({ name }) => name === `GET ${path}/{${idName}}`))
      await get(`${path}/${id}`, { 'X-Version': '1' });
  }
  return operations.map(
    ({ method, template }) => `${method} ${template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? name)}`,
  );
}
