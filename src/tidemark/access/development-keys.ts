import { type AccessTable, everyScope, scopesOf } from './access.ts';
import { type Caller, ownerOf } from './caller.ts';

const PREFIX = 'dev-';
const ADMIN = 'dev-admin';

/**
 * The caller of a development key: `dev-admin` has every scope, `dev-<role>` those of a role, and `dev-<role>-<customerId>` those of a role for
 * customers. Undefined: it is none. They are public, so they are valid on a local server only.
 */
export function developmentCaller(table: AccessTable, credential: string): Caller | undefined {
  const caller = { kind: 'user', id: credential, owner: ownerOf('development', credential) } as const;
  if (credential === ADMIN) return { ...caller, kind: 'operator', scopes: everyScope(table) };
  if (!credential.startsWith(PREFIX)) return undefined;
  const rest = credential.slice(PREFIX.length);
  for (const [role, { isForCustomers }] of Object.entries(table.roles)) {
    if (!isForCustomers && rest === role) return { ...caller, scopes: scopesOf(table, [role], false) };
    const customerId = rest.slice(role.length + 1);
    if (isForCustomers && rest.startsWith(`${role}-`) && customerId !== '')
      return { ...caller, scopes: scopesOf(table, [role], true), customerId };
  }
  return undefined;
}
