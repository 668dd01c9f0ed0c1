/** The platform rejected the request before anything was done. A retry at once makes it worse. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

/** A command was sent and no answer came. It may have been applied. Only a retry with the same key can tell. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';
}

/**
 * The storage refuses requests at the moment: it is full, or the account's spending limit has switched it off. Nothing was done. An operator must
 * free space or raise the limit, so a retry soon does not help.
 */
export class StorageUnavailableError extends Error {
  override readonly name = 'StorageUnavailableError';
}

/** The same as `StorageUnavailableError`, but for a D1 database instead of an object. */
export class DatabaseUnavailableError extends StorageUnavailableError {}

/**
 * The code does not know a category, an event or a command of newer code. Nothing was done. The fault passes when the deployment finishes or, after a
 * rollback, when the newer code returns.
 */
export class CodeTooOldError extends Error {
  override readonly name: string = 'CodeTooOldError';
}

/** A read got no answer, after all its tries. It changed nothing and may be sent again. */
export class UnansweredError extends Error {
  override readonly name = 'UnansweredError';
}
