import { describe, expect, it } from 'vitest';

import { eventsOf, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, eur, orderAfter, orderStep, placeOrder, returnItems } from '../api.ts';
import { expectProblem } from '../../support/problem.ts';

type Step = 'shipment' | 'delivery' | 'cancellation' | 'returns';

const STATES = {
  placed: [],
  shipped: ['shipment'],
  delivered: ['shipment', 'delivery'],
  cancelled: ['cancellation'],
} as const;

const NEXT: Readonly<Record<keyof typeof STATES, Partial<Record<Step, string>>>> = {
  placed: { shipment: 'shipped', cancellation: 'cancelled' },
  shipped: { delivery: 'delivered' },
  delivered: { returns: 'returned' },
  cancelled: {},
};

const STEPS: readonly Step[] = ['shipment', 'delivery', 'cancellation', 'returns'];
const TRANSITIONS = (Object.keys(STATES) as (keyof typeof STATES)[]).flatMap((state) =>
  STEPS.map((step) => [state, step, NEXT[state][step]] as const),
);

function take(orderId: string, step: Step, items: readonly { sku: string; quantity: number }[]): Promise<Response> {
  return step === 'returns' ? returnItems(orderId, items) : orderStep(orderId, step);
}

describe('an order', () => {
  it.each(TRANSITIONS.filter(([, , next]) => next !== undefined))(
    'that is %s takes %s and is %s',
    async (state, step, next) => {
      const { orderId, items } = await orderAfter(STATES[state]);
      const answer = await take(orderId, step, items);
      expect(answer.status).toBe(200);
      expect(await json(get(`/orders/${orderId}`, withToken(answer)))).toMatchObject({
        status: next,
        version: STATES[state].length + 2,
      });
    },
  );

  it.each(TRANSITIONS.filter(([, , next]) => next === undefined).map(([state, step]) => [state, step] as const))(
    'that is %s refuses %s, says why, and stays as it is',
    async (state, step) => {
      const { orderId, items, stream } = await orderAfter(STATES[state]);
      const problem = await expectProblem(take(orderId, step, items), 409, 'wrong-state');
      expect(problem['currentStatus']).toBe(state);
      expect(problem.detail).toContain(state);
      expect(await eventsOf(stream)).toHaveLength(STATES[state].length + 1);
    },
  );

  it('that was returned whole refuses every command', async () => {
    const { orderId, items } = await orderAfter(['shipment', 'delivery']);
    expect((await returnItems(orderId, items)).status).toBe(200);
    for (const step of STEPS) {
      const problem = await expectProblem(take(orderId, step, items), 409, 'wrong-state');
      expect(problem['currentStatus']).toBe('returned');
    }
  });

  it('shows tracking and carrier once it is shipped, and null before', async () => {
    const { orderId, answer } = await placeOrder();
    const placed = await json(get(`/orders/${orderId}`, withToken(answer)));
    expect(placed).toMatchObject({ tracking: null, carrier: null, customerSegment: null, region: null });
    const shipped = await post(`/orders/${orderId}/shipment`, { tracking: 'JD0146' });
    expect(await json(get(`/orders/${orderId}`, withToken(shipped)))).toMatchObject({
      tracking: 'JD0146',
      carrier: null,
    });
  });

  it('has times that only its events change', async () => {
    const { orderId, answer } = await placeOrder();
    const placed = await json(get(`/orders/${orderId}`, withToken(answer)));
    expect(placed.updatedAt).toBe(placed.placedAt);
    const shipped = await json(get(`/orders/${orderId}`, withToken(await orderStep(orderId, 'shipment'))));
    expect(shipped.placedAt).toBe(placed.placedAt);
    expect(shipped.updatedAt >= placed.updatedAt).toBe(true);
  });
});

describe('a return', () => {
  async function deliveredOrder(...quantities: readonly number[]) {
    const products = await Promise.all(quantities.map(() => createProduct({ price: eur(100) })));
    const items = products.map(({ sku }, index) => ({ sku, quantity: quantities[index] as number }));
    const order = await placeOrder({ items });
    await orderStep(order.orderId, 'shipment');
    await orderStep(order.orderId, 'delivery');
    return order;
  }

  const read = async (orderId: string, answer: Response) => json(get(`/orders/${orderId}`, withToken(answer)));

  it('of a part leaves the order delivered, and its total and item count as they were', async () => {
    const { orderId, items } = await deliveredOrder(3, 1);
    const [first] = items;
    const answer = await returnItems(orderId, [{ sku: first?.sku as string, quantity: 2 }]);
    expect(await read(orderId, answer)).toMatchObject({
      status: 'delivered',
      total: eur(400),
      itemCount: 4,
      items: [
        { quantity: 3, returned: 2 },
        { quantity: 1, returned: 0 },
      ],
    });
  });

  it('of what is left, in several goes, makes the order returned', async () => {
    const { orderId, items } = await deliveredOrder(3, 1);
    const [first, second] = items.map(({ sku }) => sku) as [string, string];
    await returnItems(orderId, [{ sku: first, quantity: 2 }]);
    await returnItems(orderId, [{ sku: second.toLowerCase(), quantity: 1 }]);
    const answer = await returnItems(orderId, [{ sku: first, quantity: 1 }]);
    expect(await read(orderId, answer)).toMatchObject({
      status: 'returned',
      total: eur(400),
      itemCount: 4,
      version: 6,
    });
  });

  it('never exceeds the items that the customer still has', async () => {
    const { orderId, items, stream } = await deliveredOrder(3);
    const sku = items[0]?.sku as string;
    const tooMany = await expectProblem(returnItems(orderId, [{ sku, quantity: 4 }]), 422, 'nothing-to-return');
    expect(tooMany['skus']).toEqual([sku]);
    expect((await returnItems(orderId, [{ sku, quantity: 2 }])).status).toBe(200);
    await expectProblem(returnItems(orderId, [{ sku, quantity: 2 }]), 422, 'nothing-to-return');
    expect(await eventsOf(stream)).toHaveLength(4);
  });

  it('names only SKUs of the order, and each once', async () => {
    const { orderId, items } = await deliveredOrder(2);
    const sku = items[0]?.sku as string;
    const { sku: other } = await createProduct();
    const unknown = await expectProblem(returnItems(orderId, [{ sku: other, quantity: 1 }]), 422, 'unknown-sku');
    expect(unknown['skus']).toEqual([other]);
    const twice = [1, 1].map((quantity) => ({ sku, quantity }));
    await expectProblem(returnItems(orderId, twice), 422, 'duplicate-sku');
  });
});
