/** The variables and secrets of a deployment that the framework reads. The type of the environment of a Worker extends this one. */
export interface Settings {
  /** Secret, of at least 32 bytes: encrypts causal tokens. */
  readonly CAUSAL_TOKEN_KEY?: string;
  /** Secret, only during a change of keys: tokens made with it are still accepted. */
  readonly CAUSAL_TOKEN_PREVIOUS_KEY?: string;
  /** `1` writes causal tokens as the release before does, for as long as one of its Workers serves. Default: `2`. Both are read. */
  readonly CAUSAL_TOKEN_FORMAT?: string;
  /** `1` keeps idempotency keys where Workers of the release before find them, for as long as one serves. Default: `2`. Both are read. */
  readonly IDEMPOTENCY_FORMAT?: string;
  /**
   * Whose an idempotency key is. `1`: nobody's, as in the release before authentication, for as long as one of its Workers serves. `both`: the caller's,
   * and nobody's are still found, for as long as clients retry what they sent to that release. Default: `2`, the caller's only.
   */
  readonly IDEMPOTENCY_SCOPE?: string;
  /** `1` gives each projection checkpoint rows of its own, as Workers of the release before do, for as long as one serves. Default: `2`. Both are read. */
  readonly CHECKPOINT_FORMAT?: string;
  /** The operator adds one after a restore of a database: the bookmarks of older tokens are no longer used. Default: 0. */
  readonly RESTORE_EPOCH?: string;
  /** Secret, of at least 32 bytes: its bearer has every scope. */
  readonly OPERATIONS_KEY?: string;
  /** The OpenID providers whose tokens are accepted: a list, or its JSON text (access/issuer.ts). Default: none. */
  readonly JWT_ISSUERS?: unknown;
  /** Secret, of at least 32 bytes: API keys are made with it. Without it, there are none. */
  readonly API_KEY_SECRET?: string;
  /** Secret, only during a change of secrets: API keys made with it are still accepted. */
  readonly API_KEY_PREVIOUS_SECRET?: string;
  /** `open`: the development keys are valid. Only for a local server: under any other name than that of this machine, the Worker then serves nothing. */
  readonly OPERATIONS_ACCESS?: string;
  /** The static assets: the OpenAPI document, and what the problems mean. */
  readonly ASSETS?: Fetcher;
  /** Counts the requests of each address. Default: no limit. */
  readonly ADDRESS_RATE_LIMIT?: RateLimit;
  /** Counts the requests of each caller. Default: no limit. */
  readonly CALLER_RATE_LIMIT?: RateLimit;
  /** How long a build of a new revision waits for the end of Workers without its code, in seconds. Default: 1200. */
  readonly BUILD_GRACE_S?: string;
  /** Origins whose pages may call from a browser, and change state, separated by spaces; `*` for all. Default: none. */
  readonly CORS_ORIGINS?: string;
}

/** Reads a variable that chooses between the format of the release before (1) and the present one (2, also if not set). Undefined: another value. */
export function formatOf(variable: string | number | undefined): 1 | 2 | undefined {
  // In wrangler.toml a variable may also be a number.
  switch (String(variable ?? '')) {
    case '1':
      return 1;
    case '':
    case '2':
      return 2;
    default:
      return undefined;
  }
}
