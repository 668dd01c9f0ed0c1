import type { Context } from 'hono';

import type { Caller } from '../access/caller.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Settings } from '../runtime/settings.ts';
import type { CausalSession } from './causal.ts';

/** The bindings and variables of every handler's context. */
export interface AppEnv {
  Bindings: Settings;
  Variables: {
    runtime: Runtime;
    /** The same for everything that follows from one request of a client: commands, events and projections. */
    correlationId: string;
    /** The id of this request: the causation id of the commands that it sends. */
    requestId: string;
    /** Who sends the request, verified. On a route that is open to everybody: anybody. */
    caller: Caller;
    causal: CausalSession;
  };
}

export type AppContext = Context<AppEnv>;
