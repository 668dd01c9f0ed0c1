import { modules } from '../worker.ts';

/** The codes of the framework's problems. Clients branch on codes, so the list is closed; each module adds its own. */
const CODES_OF_THE_FRAMEWORK = [
  'malformed-body',
  'invalid-field',
  'invalid-id',
  'invalid-header',
  'invalid-cursor',
  'cross-site',
  'cursor-lost',
  'invalid-causal-token',
  'causal-token-ahead',
  'version-ahead',
  'not-found',
  'method-not-allowed',
  'unauthorized',
  'forbidden',
  'rate-limited',
  'not-configured',
  'wrong-state',
  'version-mismatch',
  'too-large',
  'not-json',
  'key-reused',
  'projection-behind',
  'projection-building',
  'projection-dead-letter',
  'rebuild-running',
  'outcome-unknown',
  'overloaded',
  'code-too-old',
  'storage-unavailable',
  'internal',
];

/** The framework's routes, as the document names them. */
const ROUTES_OF_THE_FRAMEWORK = [
  'GET /events',
  'GET /streams/{stream}/events',
  'POST /projections/{name}/rebuild',
  'GET /projections/{name}/rebuilds/{id}',
  'DELETE /projections/{name}/rebuilds/{id}',
  'POST /projections/{name}/rebuilds/{id}/accept',
  'POST /projections/{name}/rollback',
  'POST /projections/{name}/release',
  'GET /projections/{name}/dead-letters',
  'POST /projections/{name}/dead-letters/{id}/replay',
  'POST /projections/{name}/dead-letters/{id}/skip',
  'GET /projections',
  'GET /projections/{name}',
  'POST /sweep',
  'GET /health',
  'GET /openapi.json',
  'GET /problems/{code}',
];

/** Every code that a problem may have. */
export const CODES: readonly string[] = [
  ...CODES_OF_THE_FRAMEWORK,
  ...modules.flatMap(({ problems }) => Object.keys(problems)),
];

/** Every route, as the document names it. */
export const ROUTES: readonly string[] = [
  ...modules.flatMap(({ routes }) =>
    routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`),
  ),
  ...ROUTES_OF_THE_FRAMEWORK,
];
