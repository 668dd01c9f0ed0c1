import { MIN_SECRET_BYTES, isStrong } from '../queries/token-codec.ts';
import type { Settings } from '../runtime/settings.ts';
import { tokenSettings } from '../runtime/token-settings.ts';
import { type Issuer, parseIssuers } from './issuer.ts';

/** The settings of a deployment about who may do what. */
export interface AccessSettings {
  readonly issuers: readonly Issuer[];
  /** The secrets that API keys may have been made with. The first one makes new keys; without it, there are no API keys. */
  readonly keySecrets: readonly string[];
  readonly operationsKey: string | undefined;
  /** Whether the development keys are valid, for requests to this machine. */
  readonly isLocal: boolean;
}

/** Secrets that this repository publishes, as an example or for a local server. A deployment with one of them is open to everybody. */
const PUBLISHED = /^(change-me|local-development)/;

/**
 * Why a deployment serves nothing but its health, as sentences for an operator: each names what is missing. Empty: it serves. `isHere`: the URL of the
 * request names this machine.
 */
export function refusalsOf(env: Settings, isHere: boolean): readonly string[] {
  const tokens = tokenSettings(env);
  const reasons = 'error' in tokens ? [tokens.error] : [];
  const issuers = parseIssuers(env.JWT_ISSUERS);
  if ('error' in issuers) reasons.push(issuers.error);
  if (isLocal(env)) {
    if (!isHere) {
      reasons.push(
        'the variable OPERATIONS_ACCESS is "open", which is only for a local server under `localhost`, 127.0.0.1 or [::1]: remove it from the deployment',
      );
    }
    return reasons;
  }
  for (const [name, secret] of Object.entries(secretsOf(env))) {
    if (secret !== undefined && PUBLISHED.test(secret))
      reasons.push(
        `the secret ${name} is a published example: \`openssl rand -base64 32\` makes one, ${put(name)} stores it`,
      );
  }
  if (!env.OPERATIONS_KEY && 'length' in issuers && issuers.length === 0) {
    reasons.push(
      `nobody can authenticate: set the secret OPERATIONS_KEY (${put('OPERATIONS_KEY')}), or the variable JWT_ISSUERS`,
    );
  }
  return reasons;
}

/** Faults of the settings that leave the deployment serving, as sentences for an operator. */
export function accessComplaints(env: Settings): readonly string[] {
  if (isLocal(env)) return [];
  const complaints: string[] = [];
  for (const [name, secret] of Object.entries(secretsOf(env))) {
    if (name.startsWith('CAUSAL') || !secret || isStrong(secret)) continue;
    complaints.push(
      `the secret ${name} has fewer than ${MIN_SECRET_BYTES} bytes, so it may be guessed: \`openssl rand -base64 32\` makes one, ${put(name)} stores it`,
    );
  }
  return complaints;
}

/** Reads the settings of a deployment that `refusalsOf` lets serve. */
export function accessSettings(env: Settings): AccessSettings {
  const issuers = parseIssuers(env.JWT_ISSUERS);
  return {
    issuers: 'error' in issuers ? [] : issuers,
    keySecrets: keySecretsOf(env),
    operationsKey: env.OPERATIONS_KEY === '' ? undefined : env.OPERATIONS_KEY,
    isLocal: isLocal(env),
  };
}

/** Whether these are the settings of `npm start`: with the development keys, and without limits. */
export function isLocal(env: Settings): boolean {
  return env.OPERATIONS_ACCESS === 'open';
}

/** The secrets that API keys may have been made with, the one for new keys first. */
export function keySecretsOf(env: Settings): readonly string[] {
  return [env.API_KEY_SECRET, env.API_KEY_PREVIOUS_SECRET].filter((secret): secret is string => Boolean(secret));
}

function secretsOf(env: Settings) {
  const { CAUSAL_TOKEN_KEY, CAUSAL_TOKEN_PREVIOUS_KEY, OPERATIONS_KEY, API_KEY_SECRET, API_KEY_PREVIOUS_SECRET } = env;
  return { CAUSAL_TOKEN_KEY, CAUSAL_TOKEN_PREVIOUS_KEY, OPERATIONS_KEY, API_KEY_SECRET, API_KEY_PREVIOUS_SECRET };
}

function put(name: string): string {
  return `\`npx wrangler secret put ${name}\``;
}
