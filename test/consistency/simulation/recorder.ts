import type { Operation } from '../history.ts';
import { type Logs, canonical } from './domain.ts';

/** Records what clients sent and saw, in order, and the trace, which must be the same in two runs of one seed. */
export class Recorder {
  readonly operations: Operation[] = [];
  readonly trace: string[] = [];
  #moment = 0;
  #ids = 0;

  moment(): number {
    this.#moment += 1;
    return this.#moment;
  }

  id(): number {
    this.#ids += 1;
    return this.#ids;
  }

  async traceHash(logs: Logs): Promise<string> {
    const rows = Object.values(logs).flatMap((events) => events.map((event) => canonical(event)));
    const bytes = new TextEncoder().encode([...this.trace, ...rows].join('\n'));
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}
