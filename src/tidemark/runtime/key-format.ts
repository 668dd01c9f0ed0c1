import { type Settings, formatOf } from './settings.ts';

/** Whether objects keep idempotency keys in their table, where Workers of the former release look for them. */
export function keepsKeysInTable({ IDEMPOTENCY_FORMAT }: Settings): boolean {
  return formatOf(IDEMPOTENCY_FORMAT) === 1;
}

/** The faults of the setting, as sentences for an operator. */
export function keyFormatComplaints({ IDEMPOTENCY_FORMAT }: Settings): readonly string[] {
  switch (formatOf(IDEMPOTENCY_FORMAT)) {
    case 1:
      return [
        'the variable IDEMPOTENCY_FORMAT is 1: each idempotency key costs a row more. Remove the variable once no Worker of the release before serves requests',
      ];
    case 2:
      return [];
    default:
      return ['the variable IDEMPOTENCY_FORMAT has to be 1 or 2, or not set'];
  }
}
