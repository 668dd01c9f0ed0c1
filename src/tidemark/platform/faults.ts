/** The platform turned the request away before anything was done. Trying again at once makes it worse. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

/** A command was sent and no answer came: it may or may not have been applied. Only a retry with the same key can tell. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';
}

/**
 * The storage takes or gives nothing at the moment, and nothing was done: it is full, or switched off by the account's spending limit. An
 * operator has to make room or lift the limit, so trying again soon does not help.
 */
export class StorageUnavailableError extends Error {
  override readonly name = 'StorageUnavailableError';
}

/** As `StorageUnavailableError`, of a D1 database and not of an object. */
export class DatabaseUnavailableError extends StorageUnavailableError {}

/**
 * The code does not know what newer code has recorded or sends: a category, an event or a command. Nothing was done. It passes as a
 * deployment goes on, or, after a rollback, once the newer code is back.
 */
export class CodeTooOldError extends Error {
  override readonly name: string = 'CodeTooOldError';
}

/** A read got no answer, after all its tries. It changed nothing and may be sent again. */
export class UnansweredError extends Error {
  override readonly name = 'UnansweredError';
}
