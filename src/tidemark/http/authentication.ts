import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';

import { streamId } from '../domain/stream.ts';
import type { AppContext, AppEnv } from './app-env.ts';
import { HEADER } from './headers.ts';
import { Problem } from './problem.ts';
import type { Settings } from '../runtime/settings.ts';
import { type AccessTable, everyScope } from '../access/access.ts';
import { type AccessSettings, accessSettings } from '../access/access-settings.ts';
import { isApiKey } from '../access/api-key.ts';
import { type ApiKeyCheckOptions, type StoredKey, KEY_CATEGORY, apiKeyCheck } from '../access/api-key-check.ts';
import { type Caller, ownerOf } from '../access/caller.ts';
import { developmentCaller } from '../access/development-keys.ts';
import { type TokenCheckOptions, tokenCheck } from '../access/json-web-token.ts';

export interface AuthenticationOptions extends TokenCheckOptions, ApiKeyCheckOptions {}

/**
 * Finds out who sends a request, and sets `c.var.caller`. It accepts `Authorization: Bearer` with the operations key, an API key, or a JSON Web Token
 * of a configured issuer; on a local server also the development keys. Answers 401 `unauthorized` without a valid credential, and 503 if it cannot
 * find out whether one is valid.
 */
export function authentication(table: AccessTable, options: AuthenticationOptions = {}): MiddlewareHandler<AppEnv> {
  const apiKeys = apiKeyCheck(table, options);
  const tokens = tokenCheck(table, options);
  const settingsOf = new WeakMap<Settings, AccessSettings>();

  async function callerOf(c: AppContext): Promise<Caller | undefined> {
    const settings = settingsOf.get(c.env) ?? accessSettings(c.env);
    settingsOf.set(c.env, settings);
    const inBackground = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
    const credential = /^Bearer +([^ ]+) *$/i.exec(c.req.header(HEADER.authorization) ?? '')?.[1];
    if (credential === undefined) {
      for (const issuer of settings.issuers) {
        const token = issuer.header === undefined ? undefined : c.req.header(issuer.header);
        if (token !== undefined) return tokens.callerOf(token, [issuer], inBackground);
      }
      return undefined;
    }
    if (settings.isLocal) {
      const developer = developmentCaller(table, credential);
      if (developer) return developer;
    }
    if (settings.operationsKey !== undefined && (await isSame(credential, settings.operationsKey)))
      return { kind: 'operator', id: 'operator', owner: ownerOf('operator'), scopes: everyScope(table) };
    if (isApiKey(credential)) return apiKeys.callerOf(credential, settings.keySecrets, (id) => storedKey(c, id));
    const inAuthorization = settings.issuers.filter(({ header }) => header === undefined);
    return tokens.callerOf(credential, inAuthorization, inBackground);
  }

  return createMiddleware<AppEnv>(async function authenticate(c, next) {
    const caller = await callerOf(c);
    if (!caller) {
      throw new Problem(
        'unauthorized',
        'Send a valid credential: `Authorization: Bearer <API key, JSON Web Token or operations key>`.',
        {},
        { [HEADER.wwwAuthenticate]: 'Bearer' },
      );
    }
    c.set('caller', caller);
    await next();
  });
}

async function storedKey(c: AppContext, id: string): Promise<StoredKey | undefined> {
  const { aggregates, registry } = c.var.runtime;
  if (!registry.hasCategory(KEY_CATEGORY)) return undefined;
  const found = await aggregates.state(streamId(KEY_CATEGORY, id));
  return found?.state as StoredKey | undefined;
}

/** Compares digests, so that the time reveals neither the length nor a common beginning. */
async function isSame(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [one, other].map((value) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(value))),
  );
  return crypto.subtle.timingSafeEqual(first as ArrayBuffer, second as ArrayBuffer);
}
