/** The expected dashboard for some orders. Written from the HTTP contract alone. */
import type { Resource } from './fold.ts';

interface Order {
  readonly status: string;
  readonly currency: string;
  readonly items: readonly {
    readonly quantity: number;
    readonly returned: number;
    readonly unitPrice: { readonly amount: number };
  }[];
}

/** Orders by status, zeros included; and the revenue, without cancelled orders and returned items. */
export function dashboardOf(resources: readonly Resource[]) {
  const orders = resources as unknown as readonly Order[];
  const ordersByStatus: Record<string, number> = { placed: 0, shipped: 0, delivered: 0, returned: 0, cancelled: 0 };
  const revenue = new Map<string, number>();
  for (const { status, currency, items } of orders) {
    ordersByStatus[status] = (ordersByStatus[status] ?? 0) + 1;
    if (status === 'cancelled') continue;
    const kept = items.reduce(
      (sum, { quantity, returned, unitPrice }) => sum + (quantity - returned) * unitPrice.amount,
      0,
    );
    revenue.set(currency, (revenue.get(currency) ?? 0) + kept);
  }
  return { ordersByStatus, revenue: [...revenue].map(([currency, total]) => ({ currency, total })) };
}
