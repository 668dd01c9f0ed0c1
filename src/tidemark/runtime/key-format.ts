import type { Settings } from './settings.ts';

/** Whether objects keep idempotency keys in their table, where Workers of the former release look for them. */
export function keepsKeysInTable({ IDEMPOTENCY_FORMAT }: Settings): boolean {
  return formatOf(IDEMPOTENCY_FORMAT) === '1';
}

/** The faults of the setting, as sentences for an operator. */
export function keyFormatComplaints(env: Settings): readonly string[] {
  const format = formatOf(env.IDEMPOTENCY_FORMAT);
  if (format === '1') {
    return [
      'the variable IDEMPOTENCY_FORMAT is 1: each idempotency key costs a row more. Remove the variable once no Worker of the release before serves requests',
    ];
  }
  return format === '' || format === '2' ? [] : ['the variable IDEMPOTENCY_FORMAT has to be 1 or 2, or not set'];
}

/** In wrangler.toml a variable may also be a number. */
function formatOf(variable: string | number | undefined): string {
  return String(variable ?? '');
}
