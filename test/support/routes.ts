import { createProduct, get, json, placeOrder } from './api.ts';

/** Every route with ids that exist, as `METHOD path`. */
export async function everyRoute(): Promise<readonly string[]> {
  const [{ productId }, { orderId, stream }] = [await createProduct(), await placeOrder({}, { Prefer: 'wait=5' })];
  await get(`/products/${productId}`, { 'X-Version': '1' });
  const ids: Record<string, string> = { productId, orderId, stream, code: 'not-found' };
  const { paths } = await json(get('/openapi.json'));
  return Object.entries<object>(paths).flatMap(([template, item]) =>
    Object.keys(item).map(
      (method) =>
        `${method.toUpperCase()} ${template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? name)}`,
    ),
  );
}
