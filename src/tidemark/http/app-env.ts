import type { Context } from 'hono';

import type { Env } from '../../bindings.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CausalSession } from './causal.ts';

/** What every handler finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: {
    runtime: Runtime;
    /** Ties together everything that follows from one request of a client, through events into projections. */
    correlationId: string;
    /** This very request: the cause of the commands that it sends. */
    requestId: string;
    /** The verified principal. */
    actor: string;
    causal: CausalSession;
  };
}

export type AppContext = Context<AppEnv>;
