import { describe, expect, it } from 'vitest';

import { parseIssuers } from '../../../src/tidemark/access/issuer.ts';

const one = { name: 'staff', issuer: 'https://id.example', audience: 'tidemark', jwks: 'https://id.example/keys' };

describe('the variable JWT_ISSUERS', () => {
  it('may be missing, empty, JSON text or a list, and has defaults', () => {
    expect(parseIssuers(undefined)).toEqual([]);
    expect(parseIssuers('')).toEqual([]);
    const expected = [
      {
        ...one,
        algorithms: ['RS256', 'ES256'],
        subjectClaim: 'sub',
        scopesClaim: 'scope',
        grants: [],
        isCustomerOptional: false,
      },
    ];
    expect(parseIssuers([one])).toEqual(expected);
    expect(parseIssuers(JSON.stringify([one]))).toEqual(expected);
  });

  it.each([
    ['x', 'is not JSON'],
    ['{}', 'is wrong at its start'],
    [[{ ...one, audience: '' }], 'is wrong at 0.audience'],
    [[{ ...one, algorithms: ['HS256'] }], 'is wrong at 0.algorithms.0'],
    [[{ ...one, algorithms: ['none'] }], 'is wrong at 0.algorithms.0'],
    [[{ ...one, algorithms: [] }], 'is wrong at 0.algorithms'],
    [[{ ...one, jwks: 'http://id.example/keys' }], 'is wrong at 0.jwks'],
    [[{ ...one, jwks: 'file:///etc/passwd' }], 'is wrong at 0.jwks'],
    [[{ ...one, name: 'Staff!' }], 'is wrong at 0.name'],
    [[{ ...one, scopeClaim: 'roles' }], 'is wrong at 0'],
    [[one, { ...one, name: 'other' }], 'has one issuer with one audience twice'],
  ])('%j %s', (variable, fault) => {
    expect(parseIssuers(variable)).toEqual({ error: expect.stringContaining(`the variable JWT_ISSUERS ${fault}`) });
  });

  it('may name keys on this machine without https', () => {
    expect(parseIssuers([{ ...one, jwks: 'http://127.0.0.1:9000/keys' }])).toHaveLength(1);
  });
});
