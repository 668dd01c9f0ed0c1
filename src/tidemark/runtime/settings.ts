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
  /** `1` gives each projection checkpoint rows of its own, as Workers of the release before do, for as long as one serves. Default: `2`. Both are read. */
  readonly CHECKPOINT_FORMAT?: string;
  /** The operator adds one after a restore of a database: the bookmarks of older tokens are no longer used. Default: 0. */
  readonly RESTORE_EPOCH?: string;
  /** Secret: opens the operations routes, the feed and the history. */
  readonly OPERATIONS_KEY?: string;
  /** `open` lets everybody use the operations routes: only for a local server. */
  readonly OPERATIONS_ACCESS?: string;
  /** Host names that a local server answers to, beside those of the machine, separated by spaces. Default: none. */
  readonly LOCAL_HOSTS?: string;
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
