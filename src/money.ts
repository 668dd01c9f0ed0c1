/** An amount of money: integer minor units (cents, yen) and an ISO 4217 code. Never a float. */
export interface Money {
  readonly amount: number;
  readonly currency: string;
}

/** The largest single amount, in minor units: 100 lines of 10,000 such pieces still sum to a safe integer. */
export const MAX_AMOUNT = 9_000_000_000;

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Whether `code` is an ISO 4217 currency. */
export function isCurrency(code: string): boolean {
  return CURRENCIES.has(code);
}
