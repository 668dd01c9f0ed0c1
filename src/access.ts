import type { AccessTable } from '#tidemark/worker';

/** Who may do what: the scopes that routes need, and the roles that have them. `docs/access.md` says how to use them. */
export const access: AccessTable = {
  scopes: {
    'orders:read': 'Read orders and their history. A customer reads its own.',
    'orders:write': 'Place, ship, deliver, cancel and return orders. A customer places and cancels its own.',
    'products:write': 'Create products and change prices.',
    'reports:read': 'Search orders, and read the analytics and the dashboard.',
  },
  roles: {
    backoffice: { scopes: ['orders:read', 'orders:write', 'products:write', 'reports:read', 'events:read'] },
    customer: { scopes: ['orders:read', 'orders:write'], isForCustomers: true },
  },
};
