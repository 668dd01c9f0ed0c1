/** `seat_map_a`; for a later revision, `seat_map_2_a`. */
export function tableName(name: string, revision: number, slot: string): string {
  return [name.replaceAll('-', '_'), ...(revision > 1 ? [revision] : []), slot].join('_');
}

/** `seatId` as `seat_id`. */
export function toSnakeCase(property: string): string {
  return property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
