import type { Known } from './domain.ts';

/** What clients know before they have sent anything. */
export function nothingKnown(): Known {
  const lists = new Map<string, unknown[]>();
  function of<Item>(name: string): Item[] {
    const list = lists.get(name) ?? [];
    lists.set(name, list);
    return list as Item[];
  }
  return { of, ids: (category) => of<string>(`ids of ${category}`) };
}
