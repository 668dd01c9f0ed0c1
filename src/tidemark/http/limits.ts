/** The largest request body, in bytes. */
export const MAX_BODY_BYTES = 64 * 1024;

/** The maximum nesting of arrays and objects in a body. */
export const MAX_NESTING = 8;

/** The most faults of one request that an answer lists. */
export const MAX_FAULTS = 100;

/** The largest causal token, in characters of the header. */
export const MAX_TOKEN_LENGTH = 4 * 1024;

/** The most causal tokens of one request. */
export const MAX_TOKENS = 8;

/** A causal token with more streams drops those that every projection has reached. */
export const MAX_TOKEN_STREAMS = 96;

/** The deadline for finding those streams, in ms. */
export const CONFIRM_TIMEOUT_MS = 500;

/** Rows of one page of a list. */
export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;

/** The longest `Prefer: wait`, in seconds. */
export const MAX_WAIT_S = 10;

/** `Retry-After` of a temporary 503 or a 202, in seconds. */
export const RETRY_AFTER_S = 1;

/** `Retry-After` while a deployment is under way, in seconds. */
export const CODE_RETRY_AFTER_S = 30;

/** `Retry-After` while an operator has to free space or raise a limit, in seconds. */
export const STORAGE_RETRY_AFTER_S = 60;
