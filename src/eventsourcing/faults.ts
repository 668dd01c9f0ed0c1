/** The platform turned the request away before anything was done. Trying again at once makes it worse. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

/** A command was sent and no answer came: it may or may not have been applied. Only a retry with the same key can tell. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';
}

/**
 * Storage is full, or the account's spending limit has switched it off. Nothing was done, and nothing will be until an operator makes room or
 * raises the limit.
 */
export class StorageUnavailableError extends Error {
  override readonly name = 'StorageUnavailableError';
}
