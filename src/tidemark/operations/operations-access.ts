import type { Guarded } from '../access/access.ts';

/** Who may see the state of the system. */
export const SEES: Guarded = { scope: 'operate:read', whose: 'staff' };

/** Who may change the state of the system. */
export const OPERATES: Guarded = { scope: 'operate', whose: 'staff' };

/** Who may read every event. */
export const READS_EVENTS: Guarded = { scope: 'events:read', whose: 'staff' };
