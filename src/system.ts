import type { WorkerOptions } from '#tidemark/worker';
import { access } from './access.ts';
import { type Env, bindings } from './bindings.ts';
import { api, domain } from './domain.ts';

/** The system: its subjects, what wrangler.toml binds, who may do what, and the name of its API. */
export const system: WorkerOptions<Env> = { modules: domain, bindings, access, info: api };
