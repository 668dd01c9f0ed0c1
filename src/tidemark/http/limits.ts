/** The largest request body, in bytes. */
export const MAX_BODY_BYTES = 64 * 1024;

/** How deep arrays and objects of a body may nest. */
export const MAX_NESTING = 8;

/** How many faults of one request an answer lists. */
export const MAX_FAULTS = 100;

/** The largest causal token, in characters of the header. */
export const MAX_TOKEN_LENGTH = 4 * 1024;

/** How many causal tokens a request may bring. */
export const MAX_TOKENS = 8;

/** When a causal token holds more streams, those that every projection has reached are dropped from it. */
export const MAX_TOKEN_STREAMS = 96;

/** How long a request may take to find out which streams these are, in ms. */
export const CONFIRM_TIMEOUT_MS = 500;

/** Pages of lists. */
export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;

/** The longest wait that `Prefer: wait` may ask for, in seconds. */
export const MAX_WAIT_S = 10;

/** When to come back after an honest "not yet", in seconds. */
export const RETRY_AFTER_S = 1;

/** When to come back where a deployment has to go on first, in seconds. */
export const CODE_RETRY_AFTER_S = 30;

/** When to come back where an operator has to make room or lift a limit first, in seconds. */
export const STORAGE_RETRY_AFTER_S = 60;
