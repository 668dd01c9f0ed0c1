import { type Settings, formatOf } from './settings.ts';

/*
 * Variables that keep a storage format of the release before, for as long as one of its Workers serves. Workers of this release read both formats.
 */

/** Whether objects keep idempotency keys in their table, where Workers of the former release look for them. */
export function keepsKeysInTable({ IDEMPOTENCY_FORMAT }: Settings): boolean {
  return formatOf(IDEMPOTENCY_FORMAT) === 1;
}

/** Whether projections at the same event of a stream share a checkpoint row, where Workers of the former release do not look. */
export function sharesCheckpoints({ CHECKPOINT_FORMAT }: Settings): boolean {
  return formatOf(CHECKPOINT_FORMAT) !== 1;
}

const COSTS = {
  IDEMPOTENCY_FORMAT: 'each idempotency key costs a row more',
  CHECKPOINT_FORMAT: 'each projection writes a checkpoint row of its own for each stream',
} as const satisfies Partial<Record<keyof Settings, string>>;

/** The faults of these settings, as sentences for an operator. */
export function formerFormatComplaints(settings: Settings): readonly string[] {
  return Object.entries(COSTS).flatMap(([variable, cost]) => {
    switch (formatOf(settings[variable as keyof typeof COSTS])) {
      case 1:
        return [
          `the variable ${variable} is 1: ${cost}. Remove the variable once no Worker of the release before serves requests`,
        ];
      case 2:
        return [];
      default:
        return [`the variable ${variable} has to be 1 or 2, or not set`];
    }
  });
}
