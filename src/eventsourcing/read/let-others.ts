import { sleep } from '../timeout.ts';

const PAUSE_MS = 5;

/**
 * A pause between two pages of long work. Locally the databases are in the Worker's own process: work that always has its next statement
 * ready leaves no turn to any request until it is done, and a timer is what gives them one.
 */
export function letOthers(): Promise<void> {
  return sleep(PAUSE_MS);
}
