/** Puts an entry into a map as its newest one. Beyond `max` entries, the oldest one leaves. */
export function keepNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.entries();
  if (map.size > max && oldest) map.delete(oldest[0]);
}
