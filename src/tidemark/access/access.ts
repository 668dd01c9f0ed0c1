/** What a route demands of the one who asks. Every route declares it. */
export type Access = 'open' | Guarded;

/** The demands of a route that is not open to everybody. */
export interface Guarded {
  /** The scope that the principal needs. Null: none. */
  readonly scope: string | null;
  /**
   * Whose resources the route serves, for principals that are limited to one customer:
   * - `everyone`: they may use all of them, for example a catalog.
   * - `customer`: they may use their own. Those of others do not exist for them.
   * - `staff`: they may use none.
   */
  readonly whose: 'everyone' | 'customer' | 'staff';
}

/** Scopes that belong together, for principals with the same task. */
export interface Role {
  readonly scopes: readonly string[];
  /** The role gives its scopes only to principals that are limited to one customer. Default: false. */
  readonly isForCustomers?: boolean;
}

/** The scopes and roles of a system. */
export interface AccessTable {
  /** What each scope allows, by its name: a sentence for the OpenAPI document. */
  readonly scopes: Readonly<Record<string, string>>;
  readonly roles: Readonly<Record<string, Role>>;
}

/** The scopes of the framework's own routes. */
const FRAMEWORK_SCOPES = {
  'events:read': 'Read every event: the feed and the log of each stream.',
  'operate:read': 'See the state of projections, builds and dead letters.',
  operate: 'Rebuild and roll back projections, replay and skip dead letters. Includes `operate:read`.',
  'keys:manage': 'Create, list and revoke API keys.',
} as const;

/** Scopes that another scope includes. */
const INCLUDED: Readonly<Record<string, readonly string[]>> = { operate: ['operate:read'] };

/** The table of a system: its own scopes and roles, and the framework's scopes. Throws if the two contradict each other. */
export function accessTable(own: Partial<AccessTable> = {}): AccessTable {
  const { scopes = {}, roles = {} } = own;
  for (const scope of Object.keys(scopes)) {
    if (Object.hasOwn(FRAMEWORK_SCOPES, scope)) throw new Error(`the scope "${scope}" is the framework's`);
  }
  const all = { ...scopes, ...FRAMEWORK_SCOPES };
  for (const [role, { scopes: named }] of Object.entries(roles)) {
    if (Object.hasOwn(all, role)) throw new Error(`"${role}" is the name of a role and of a scope`);
    const unknown = named.find((scope) => !Object.hasOwn(all, scope));
    if (unknown !== undefined)
      throw new Error(`the role "${role}" has the scope "${unknown}", which no table declares`);
  }
  return { scopes: all, roles };
}

/**
 * The scopes that names of scopes and roles give. Unknown names give nothing. A role for customers gives nothing to a principal that is not limited
 * to a customer: it would see what belongs to all of them.
 */
export function scopesOf(
  { scopes, roles }: AccessTable,
  names: readonly string[],
  isCustomer: boolean,
): ReadonlySet<string> {
  const named = names.flatMap((name) => {
    if (Object.hasOwn(scopes, name)) return [name];
    const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
    return role && (isCustomer || role.isForCustomers !== true) ? role.scopes : [];
  });
  return new Set(named.flatMap((scope) => [scope, ...(INCLUDED[scope] ?? [])]));
}

/** Every scope. */
export function everyScope({ scopes }: AccessTable): ReadonlySet<string> {
  return new Set(Object.keys(scopes));
}
