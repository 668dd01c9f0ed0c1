import * as z from 'zod/mini';

import { isLoopback } from './loopback.ts';

/** The asymmetric signatures of RFC 7518 and RFC 8037. With a symmetric one, whoever can check a token could also make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

const Word = z.string().check(z.minLength(1), z.maxLength(500));
const HttpsUrl = Word.check(z.refine(isSafeUrl, 'has to be an https URL (http only for this machine)'));

/** An OpenID provider whose JSON Web Tokens are accepted, for one audience. */
const Issuer = z.strictObject({
  /** Names the issuer in events and log lines: a user is `<name>/<subject>`. Never change it. */
  name: z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,49}$/)),
  /** The claim `iss`. */
  issuer: Word,
  /** The claim `aud`, or one of its values. */
  audience: Word,
  /** The address of the issuer's public keys, a JSON Web Key Set (RFC 7517). */
  jwks: HttpsUrl,
  algorithms: z.prefault(z.array(z.enum(ALGORITHMS)).check(z.minLength(1)), ['RS256', 'ES256']),
  /** The claim that identifies the user within the issuer. */
  subjectClaim: z.prefault(Word, 'sub'),
  /** The claim with names of scopes and roles: a list, or a text with spaces. For a claim within another one: `outer.inner`. */
  scopesClaim: z.prefault(Word, 'scope'),
  /** Scopes and roles of every user of this issuer, whatever the token claims. */
  grants: z.prefault(z.array(Word), []),
  /** The claim with the id of the customer to whom the user is limited. A token without it is refused. Absent: the users are staff. */
  customerClaim: z.optional(Word),
  /** A user without `customerClaim` is staff, and is not refused. */
  isCustomerOptional: z.prefault(z.boolean(), false),
  /** The header that holds the token, if not `Authorization: Bearer`. For Cloudflare Access: `Cf-Access-Jwt-Assertion`. */
  header: z.optional(z.string().check(z.regex(/^[A-Za-z0-9-]{1,100}$/))),
});

export type Issuer = Readonly<z.output<typeof Issuer>>;

/** Reads the variable `JWT_ISSUERS`: a list, or its JSON text. If it is none, returns a sentence on the fault. */
export function parseIssuers(variable: unknown): readonly Issuer[] | { readonly error: string } {
  if (variable === undefined || variable === '') return [];
  let given = variable;
  if (typeof given === 'string') {
    try {
      given = JSON.parse(given);
    } catch {
      return { error: 'the variable JWT_ISSUERS is not JSON' };
    }
  }
  const parsed = z.safeParse(z.array(Issuer), given);
  if (!parsed.success) {
    const [fault] = parsed.error.issues;
    return { error: `the variable JWT_ISSUERS is wrong at ${fault?.path.join('.') || 'its start'}: ${fault?.message}` };
  }
  const audiences = parsed.data.map(({ issuer, audience }) => JSON.stringify([issuer, audience]));
  if (new Set(audiences).size < audiences.length)
    return { error: 'the variable JWT_ISSUERS has one issuer with one audience twice' };
  return parsed.data;
}

function isSafeUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
}
