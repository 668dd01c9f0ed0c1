import { describe, expect, it } from 'vitest';

import { accessTable, everyScope, scopesOf } from '../../../src/tidemark/access/access.ts';

const table = accessTable({
  scopes: { 'seats:read': 'See seats.', 'seats:write': 'Change seats.' },
  roles: {
    usher: { scopes: ['seats:read', 'seats:write'] },
    guest: { scopes: ['seats:read'], isForCustomers: true },
  },
});

describe('the scopes of a principal', () => {
  it('are those that are named, and those of the named roles', () => {
    expect([...scopesOf(table, ['seats:read'], false)]).toEqual(['seats:read']);
    expect([...scopesOf(table, ['usher'], false)]).toEqual(['seats:read', 'seats:write']);
  });

  it('include those that a scope includes', () => {
    expect([...scopesOf(table, ['operate'], false)]).toEqual(['operate', 'operate:read']);
  });

  it('are none for names that nobody has declared', () => {
    expect([...scopesOf(table, ['admin', 'toString', '', 'constructor'], false)]).toEqual([]);
  });

  it('are none of a role for customers unless the principal is limited to a customer', () => {
    expect([...scopesOf(table, ['guest'], false)]).toEqual([]);
    expect([...scopesOf(table, ['guest'], true)]).toEqual(['seats:read']);
  });

  it('of an operator are all of them', () => {
    expect([...everyScope(table)]).toEqual([
      'seats:read',
      'seats:write',
      'events:read',
      'operate:read',
      'operate',
      'keys:manage',
    ]);
  });
});

describe('a table that contradicts itself does not load', () => {
  it.each([
    [{ scopes: { operate: 'Everything.' } }, 'the scope "operate" is the framework\'s'],
    [
      { roles: { usher: { scopes: ['seats:sell'] } } },
      'the role "usher" has the scope "seats:sell", which no table declares',
    ],
    [{ roles: { operate: { scopes: [] } } }, '"operate" is the name of a role and of a scope'],
  ])('%j', (own, message) => {
    expect(() => accessTable(own)).toThrow(message);
  });
});
