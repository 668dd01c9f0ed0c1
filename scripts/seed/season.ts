/**
 * Invents a season of a chandler's shop: products, customers, and the fate of each order. The same options give the same season and the same
 * idempotency keys. More orders continue it.
 */
import { type Chance, chanceOf, sum } from './chance.ts';
import {
  CATEGORIES,
  MAKERS,
  VARIANTS,
  FIRST_NAMES,
  LAST_NAMES,
  REGIONS,
  SEGMENTS,
  type Fate,
  FATES,
  CARRIERS,
  CANCELLED_BECAUSE,
  RETURNED_BECAUSE,
  DEARER_BECAUSE,
  CHEAPER_BECAUSE,
} from './chandlery.ts';

export interface SeasonOptions {
  readonly seed: number;
  readonly products: number;
  readonly orders: number;
}

/** One command to send. The path of a command on an existing order or product needs its id, which is known only then. */
interface Planned<Body> {
  readonly idempotencyKey: string;
  readonly body: Body;
}

export interface Money {
  readonly amount: number;
  readonly currency: string;
}

export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

export type PlannedProduct = Planned<{
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly price: Money;
}>;
export type PlannedPrice = Planned<{ readonly price: Money; readonly reason: string }> & { readonly sku: string };
export type PlannedStep = Planned<object> & { readonly step: 'shipment' | 'delivery' | 'cancellation' | 'returns' };

export interface PlannedOrder extends Planned<OrderBody> {
  /** A product that is created right before the order, which is the first for it. */
  readonly launches?: PlannedProduct;
  readonly steps: readonly PlannedStep[];
}

interface OrderBody {
  readonly customerId: string;
  readonly customerName: string;
  readonly customerSegment?: string;
  readonly region?: string;
  readonly items: readonly Line[];
}

/** Price changes, and the orders after them. Prices change first, so that no order's total depends on a race. */
export interface Chapter {
  readonly prices: readonly PlannedPrice[];
  readonly orders: readonly PlannedOrder[];
}

export interface Season {
  /** The products before the first order. */
  readonly stock: readonly PlannedProduct[];
  readonly chapters: readonly Chapter[];
  /** Products without an order. */
  readonly unsold: readonly PlannedProduct[];
}

const ORDERS_PER_CHAPTER = 50;

/** A product and how it will sell. */
interface Candidate {
  readonly planned: PlannedProduct;
  readonly popularity: number;
}

export function planSeason({ seed, products, orders }: SeasonOptions): Season {
  const range = Array.from({ length: products }, (_, index) => candidate(seed, index));
  // The content of an order depends on the number of products, so its key does too.
  const name = `seed-${seed}.${products}`;
  const stockSize = Math.ceil(products / 2);
  const launchesPerChapter = Math.min(ORDERS_PER_CHAPTER, Math.ceil(products / 20));
  const prices = new Map(range.map(({ planned }) => [planned.body.sku, planned.body.price]));
  const customers = Math.max(20, products * 4);

  let launched = stockSize;
  const chapters = Array.from({ length: Math.ceil(orders / ORDERS_PER_CHAPTER) }, (_, number): Chapter => {
    const known = range.slice(0, launched);
    const launches = number === 0 ? [] : range.slice(launched, launched + launchesPerChapter);
    const first = number * ORDERS_PER_CHAPTER;
    const count = Math.min(ORDERS_PER_CHAPTER, orders - first);
    launched += Math.min(launches.length, count);
    return {
      prices: number === 0 ? [] : changedPrices(`${name}-price-${number}`, known, prices),
      orders: Array.from({ length: count }, (__, index) =>
        order(`${name}-order-${first + index}`, seed, customers, known, launches[index]),
      ),
    };
  });
  const planned = range.map((product) => product.planned);
  return { stock: planned.slice(0, stockSize), chapters, unsold: planned.slice(launched) };
}

/** The number of commands of a season. */
export function countWrites({ stock, chapters, unsold }: Season): number {
  const inChapters = chapters.map(({ prices, orders }) => {
    const ofOrders = orders.map(({ launches, steps }) => (launches ? 1 : 0) + 1 + steps.length);
    return prices.length + sum(ofOrders);
  });
  return stock.length + sum(inChapters) + unsold.length;
}

function candidate(seed: number, index: number): Candidate {
  const idempotencyKey = `seed-${seed}-product-${index}`;
  const chance = chanceOf(idempotencyKey);
  const { name: category, code, from, to, nouns } = chance.oneOf(CATEGORIES);
  const name = `${chance.oneOf(MAKERS)} ${chance.oneOf<string>(nouns)}${chance.oneOf(VARIANTS)}`;
  // Many cheap products, few expensive ones, with typical price endings.
  const price = Math.round((from * (to / from) ** chance.number()) / 100) * 100 - chance.oneOf([1, 5, 10, 50]);
  const sku = `${code}-${seed}-${String(index).padStart(4, '0')}`;
  const currency = chance.number() < 0.85 ? 'EUR' : 'GBP';
  const body = { sku, name, category, price: { amount: Math.max(price, 95), currency } };
  // A few products sell often, most sell rarely.
  return { planned: { idempotencyKey, body }, popularity: (1 - chance.number()) ** -0.8 };
}

function changedPrices(name: string, known: readonly Candidate[], prices: Map<string, Money>): readonly PlannedPrice[] {
  const chance = chanceOf(name);
  // Popular products change their prices more often.
  const looks = Array.from({ length: Math.min(20, Math.ceil(known.length / 12)) }, () => popular(chance, known));
  const changing = [...new Set(looks)];
  return changing.map(({ planned }, index) => {
    const { sku } = planned.body;
    const { amount, currency } = prices.get(sku) ?? planned.body.price;
    const isDearer = chance.number() < 0.6;
    const factor = isDearer ? 1.02 + chance.number() * 0.13 : 0.8 + chance.number() * 0.17;
    const price = { amount: Math.max(1, Math.round((amount * factor) / 10) * 10 - 1), currency };
    prices.set(sku, price);
    return {
      idempotencyKey: `${name}-${index}`,
      sku,
      body: { price, reason: chance.oneOf(isDearer ? DEARER_BECAUSE : CHEAPER_BECAUSE) },
    };
  });
}

function order(
  idempotencyKey: string,
  seed: number,
  customers: number,
  known: readonly Candidate[],
  launched: Candidate | undefined,
): PlannedOrder {
  const chance = chanceOf(idempotencyKey);
  // Squared, so that some customers order often.
  const customer = Math.floor(chance.number() ** 2 * customers);
  const person = chanceOf(`seed-${seed}-customer-${customer}`);
  const customerName = `${person.oneOf(FIRST_NAMES)} ${person.oneOf(LAST_NAMES)}`;
  const region = person.number() < 0.05 ? undefined : REGIONS[Math.floor(person.number() ** 1.7 * REGIONS.length)];
  const customerSegment = person.weighted(SEGMENTS);

  const main = launched ?? popular(chance, known);
  const others = Array.from({ length: fewOf(chance, 0.45, 5) }, () => popular(chance, known));
  const chosen = [main, ...others].filter(
    ({ planned }) => planned.body.price.currency === main.planned.body.price.currency,
  );
  const skus = [...new Set(chosen.map(({ planned }) => planned.body.sku))];
  const items = skus.map((sku) => ({ sku, quantity: quantityFor(chance, customerSegment) }));

  return {
    idempotencyKey,
    body: {
      customerId: `c-${seed}-${String(customer).padStart(5, '0')}`,
      customerName,
      ...(customerSegment !== undefined && { customerSegment }),
      ...(region !== undefined && { region }),
      items,
    },
    ...(launched && { launches: launched.planned }),
    steps: stepsTo(chance.weighted(FATES), idempotencyKey, items, chance),
  };
}

function stepsTo(fate: Fate, name: string, items: readonly Line[], chance: Chance): readonly PlannedStep[] {
  const step = (what: PlannedStep['step'], body: object): PlannedStep => ({
    step: what,
    idempotencyKey: `${name}-${what}`,
    body,
  });
  if (fate === 'open') return [];
  if (fate === 'cancelled') return [step('cancellation', { reason: chance.oneOf(CANCELLED_BECAUSE) })];

  const carrier = chance.number() < 0.9 ? chance.oneOf(CARRIERS) : undefined;
  const tracking = `${(carrier ?? 'TM').slice(0, 2).toUpperCase()}${String(Math.floor(chance.number() * 1e10)).padStart(10, '0')}`;
  const shipment = step('shipment', { tracking, ...(carrier !== undefined && { carrier }) });
  if (fate === 'shipped') return [shipment];
  const delivery = step('delivery', {});
  if (fate === 'delivered') return [shipment, delivery];

  const returned =
    fate === 'returned'
      ? items
      : items.slice(0, 1).map(({ sku, quantity }) => ({ sku, quantity: Math.ceil(quantity / 2) }));
  return [shipment, delivery, step('returns', { items: returned, reason: chance.oneOf(RETURNED_BECAUSE) })];
}

function popular(chance: Chance, known: readonly Candidate[]): Candidate {
  return chance.weighted(known.map((product) => [product.popularity, product] as const));
}

function quantityFor(chance: Chance, segment: string | undefined): number {
  if (segment === 'wholesale') return 10 * (1 + fewOf(chance, 0.7, 40));
  return 1 + fewOf(chance, segment === 'trade' ? 0.7 : 0.3, 30);
}

/** A small number, mostly 0: each increment has the probability `more`. */
function fewOf(chance: Chance, more: number, atMost: number): number {
  let count = 0;
  while (count < atMost && chance.number() < more) count += 1;
  return count;
}
