import type { AccessTable } from './access/access.ts';
import type { Module } from './authoring/registered-module.ts';
import type { Bindings, Platform } from './runtime/platform.ts';

/** What the API says of itself at the top of its OpenAPI document. */
export interface ApiInfo {
  readonly title: string;
  /** A sentence on what the system is about. */
  readonly description: string;
}

/** What `tidemark` makes a Worker of. */
export interface WorkerOptions<Env> {
  /** The domain: one module for each subject. */
  readonly modules: readonly Module[];
  readonly bindings: Bindings<Env>;
  /** For the OpenAPI document. Default: what Tidemark says of itself. */
  readonly info?: ApiInfo;
  /** The scopes that the domain's routes need, and the roles. Default: only the framework's scopes. */
  readonly access?: Partial<AccessTable>;
  /** Default: Cloudflare's. Tests replace ports of it. */
  readonly platform?: Platform<Env>;
}
