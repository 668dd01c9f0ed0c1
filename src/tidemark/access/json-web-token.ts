import { type JWTPayload, decodeJwt, errors, jwtVerify } from 'jose';

import { keepNewest } from '../platform/keep-newest.ts';
import type { AccessTable } from './access.ts';
import { scopesOf } from './access.ts';
import { type Caller, ownerOf } from './caller.ts';
import type { Issuer } from './issuer.ts';
import { type KeySet, type KeySetOptions, keySet } from './key-set.ts';

/** Checks the JSON Web Tokens (RFC 7519) of OpenID providers. */
export interface TokenCheck {
  /** The caller of a token. Undefined if it is not valid. Throws `UnansweredError` if its issuer's keys cannot be read. */
  readonly callerOf: (
    token: string,
    issuers: readonly Issuer[],
    inBackground: (work: Promise<unknown>) => void,
  ) => Promise<Caller | undefined>;
}

export interface TokenCheckOptions extends KeySetOptions {
  /** How far the clocks of an issuer and of this system may differ, in seconds. */
  readonly toleranceS?: number;
  /** How long this isolate accepts a token that it has verified, without verifying it again, in ms. It never accepts one beyond its end. */
  readonly verifiedMs?: number;
  /** The most verified tokens that are kept. */
  readonly maxVerified?: number;
}

/** A token that was verified. */
interface Verified {
  readonly caller: Caller;
  readonly issuer: Issuer;
  /** In ms since the Unix epoch. */
  readonly until: number;
}

/** The longest id of a user or a customer, in UTF-16 code units. */
const MAX_ID_LENGTH = 255;

export function tokenCheck(table: AccessTable, options: TokenCheckOptions = {}): TokenCheck {
  const { now = Date.now, toleranceS = 30, verifiedMs = 20_000, maxVerified = 1_000 } = options;
  /** By the token, the oldest first. A signature takes a tenth of the time of a command to verify. */
  const verified = new Map<string, Verified>();
  /** By address. */
  const keySets = new Map<string, KeySet>();

  function keysOf(address: string): KeySet {
    const keys = keySets.get(address) ?? keySet(address, options);
    keySets.set(address, keys);
    return keys;
  }

  return {
    async callerOf(token, issuers, inBackground) {
      const known = verified.get(token);
      if (known && known.until > now() && issuers.includes(known.issuer)) return known.caller;
      const issuer = issuerOf(token, issuers);
      if (!issuer) return undefined;
      try {
        const { payload } = await jwtVerify(
          token,
          (header, parts) => keysOf(issuer.jwks).find(header, parts, inBackground),
          {
            issuer: issuer.issuer,
            audience: issuer.audience,
            algorithms: [...issuer.algorithms],
            clockTolerance: toleranceS,
            currentDate: new Date(now()),
            requiredClaims: ['exp'],
          },
        );
        // jose compares `iat` only with a maximum age.
        const { iat } = payload;
        if (iat !== undefined && iat * 1_000 > now() + toleranceS * 1_000) return undefined;
        const caller = callerOf(table, issuer, payload);
        if (caller) {
          const until = Math.min(now() + verifiedMs, (payload.exp ?? 0) * 1_000);
          keepNewest(verified, token, { caller, issuer, until }, maxVerified);
        }
        return caller;
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
        throw error;
      }
    },
  };
}

/** The issuer that a token names, before anything in it is verified. */
function issuerOf(token: string, issuers: readonly Issuer[]): Issuer | undefined {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(token);
  } catch {
    return undefined;
  }
  const audiences = new Set([claims.aud ?? []].flat());
  return issuers.find(({ issuer, audience }) => claims.iss === issuer && audiences.has(audience));
}

/** The caller that verified claims describe. Undefined if a claim that the issuer has to make is missing. */
function callerOf(table: AccessTable, issuer: Issuer, claims: JWTPayload): Caller | undefined {
  const subject = idIn(claims, issuer.subjectClaim);
  if (subject === undefined) return undefined;
  const customerId = issuer.customerClaim === undefined ? undefined : idIn(claims, issuer.customerClaim);
  if (issuer.customerClaim !== undefined && customerId === undefined) {
    // A claim that is there and is no id must not make a user staff.
    const isAbsent = claimIn(claims, issuer.customerClaim) === undefined;
    if (!issuer.isCustomerOptional || !isAbsent) return undefined;
  }
  const names = [...issuer.grants, ...wordsIn(claims, issuer.scopesClaim)];
  return {
    kind: 'user',
    id: `${issuer.name}/${subject}`,
    owner: ownerOf('user', issuer.issuer, subject),
    scopes: scopesOf(table, names, customerId !== undefined),
    ...(customerId !== undefined && { customerId }),
  };
}

/** A claim by its name, or by the names of the claims around it: `outer.inner`. */
function claimIn(claims: object, name: string): unknown {
  if (Object.hasOwn(claims, name)) return (claims as Readonly<Record<string, unknown>>)[name];
  const dot = name.indexOf('.');
  if (dot === -1) return undefined;
  const outer = claimIn(claims, name.slice(0, dot));
  return typeof outer === 'object' && outer !== null ? claimIn(outer, name.slice(dot + 1)) : undefined;
}

function idIn(claims: object, name: string): string | undefined {
  const id = claimIn(claims, name);
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH ? id : undefined;
}

function wordsIn(claims: object, name: string): readonly string[] {
  const claim = claimIn(claims, name);
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((word) => typeof word === 'string') : [];
}
