import type { World } from './world.ts';

/** The current run. Objects of earlier runs sleep. */
let world: World | undefined;

export function currentWorld(): World {
  if (!world) throw new Error('no run is under way');
  return world;
}

export function setCurrentWorld(next: World): void {
  world = next;
}
