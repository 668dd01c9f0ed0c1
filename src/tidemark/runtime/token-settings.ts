import { MIN_SECRET_BYTES, type TokenFormat, isStrong } from '../queries/token-codec.ts';
import { type Settings, formatOf } from './settings.ts';

/** The settings of a deployment for its causal tokens. */
export interface TokenSettings {
  /** The first one makes tokens. Tokens of all of them are accepted. */
  readonly secrets: readonly [string, ...string[]];
  readonly format: TokenFormat;
  /** The number of restores, as the operator counts them. */
  readonly restoreEpoch: number;
}

/** Reads the settings. If they allow no tokens, returns a sentence that names the fault and its remedy. */
export function tokenSettings(env: Settings): TokenSettings | { readonly error: string } {
  const { CAUSAL_TOKEN_KEY: key, CAUSAL_TOKEN_PREVIOUS_KEY: previous } = env;
  const put = '`npx wrangler secret put CAUSAL_TOKEN_KEY`';
  if (!key) return { error: `the secret CAUSAL_TOKEN_KEY is not set: ${put}` };
  if (!isStrong(key)) {
    return {
      error: `the secret CAUSAL_TOKEN_KEY has fewer than ${MIN_SECRET_BYTES} bytes: \`openssl rand -base64 32\` makes one, ${put} stores it`,
    };
  }
  const format = formatOf(env.CAUSAL_TOKEN_FORMAT);
  if (!format) return { error: 'the variable CAUSAL_TOKEN_FORMAT has to be 1 or 2, or not set' };
  const restoreEpoch = Number(env.RESTORE_EPOCH ?? 0);
  if (!Number.isSafeInteger(restoreEpoch) || restoreEpoch < 0)
    return { error: 'the variable RESTORE_EPOCH has to be a whole number from 0, or not set' };
  return { secrets: previous ? [key, previous] : [key], format, restoreEpoch };
}

/** The faults of the settings, as sentences for an operator. */
export function tokenComplaints(env: Settings): readonly string[] {
  const settings = tokenSettings(env);
  if ('error' in settings) return [settings.error];
  const complaints: string[] = [];
  const [, previous] = settings.secrets;
  if (previous !== undefined && !isStrong(previous)) {
    complaints.push(
      `the secret CAUSAL_TOKEN_PREVIOUS_KEY has fewer than ${MIN_SECRET_BYTES} bytes, so its tokens may be forged. Once clients have tokens of the new key, run \`npx wrangler secret delete CAUSAL_TOKEN_PREVIOUS_KEY\``,
    );
  }
  if (settings.format === 1) {
    complaints.push(
      'the variable CAUSAL_TOKEN_FORMAT is 1: causal tokens are readable and hold no fingerprints. Remove the variable once no Worker of the release before serves requests',
    );
  }
  if (settings.format === 1 && settings.restoreEpoch > 0) {
    complaints.push(
      'the variable RESTORE_EPOCH counts restores, which tokens of format 1 do not hold: every token that has dropped streams is refused. Remove CAUSAL_TOKEN_FORMAT',
    );
  }
  return complaints;
}
