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

/** The owner of every idempotency key in the release before authentication. */
const NOBODY = 'anonymous';

/** Whose idempotency keys a command uses: the key is stored as `own`, and looked up as `alsoLookedUp` before that. */
export function keyOwners(
  { IDEMPOTENCY_SCOPE }: Settings,
  caller: string,
): { readonly own: string; readonly alsoLookedUp: readonly string[] } {
  if (IDEMPOTENCY_SCOPE === 'both') return { own: caller, alsoLookedUp: [NOBODY] };
  return formatOf(IDEMPOTENCY_SCOPE) === 1
    ? { own: NOBODY, alsoLookedUp: [caller] }
    : { own: caller, alsoLookedUp: [] };
}

const COSTS = {
  IDEMPOTENCY_FORMAT: 'each idempotency key costs a row more',
  CHECKPOINT_FORMAT: 'each projection writes a checkpoint row of its own for each stream',
} as const satisfies Partial<Record<keyof Settings, string>>;

/** The faults of these settings, as sentences for an operator. */
export function formerFormatComplaints(settings: Settings): readonly string[] {
  return [
    ...scopeComplaints(settings),
    ...Object.entries(COSTS).flatMap(([variable, cost]) => {
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
    }),
  ];
}

function scopeComplaints({ IDEMPOTENCY_SCOPE: scope }: Settings): readonly string[] {
  if (scope === 'both')
    return [
      'the variable IDEMPOTENCY_SCOPE is both: each command with a key costs one more request to its object. Remove the variable once no client retries what it sent to the release before',
    ];
  switch (formatOf(scope)) {
    case 1:
      return [
        'the variable IDEMPOTENCY_SCOPE is 1: callers share their idempotency keys. Set it to both once no Worker of the release before serves requests',
      ];
    case 2:
      return [];
    default:
      return ['the variable IDEMPOTENCY_SCOPE has to be 1, both or 2, or not set'];
  }
}
