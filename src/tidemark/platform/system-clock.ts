import { v7 as timeOrderedUuid } from 'uuid';

import type { Clock } from './clock.ts';

/** The platform's own time, random numbers and ids. */
export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  newId: () => timeOrderedUuid(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
