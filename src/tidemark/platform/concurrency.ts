/** How many answers a Worker may wait for at a time. The platform allows six connections. */
export const CONNECTIONS_AT_ONCE = 6;

/** Runs `work` on every item, at most `atOnce` at a time. Returns the results in the order of the items. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  async function worker(): Promise<void> {
    for (const [index, item] of queue) results[index] = await work(item);
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
