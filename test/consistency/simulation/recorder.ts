import type { Operation } from '../history.ts';

/** What clients sent and saw, in order, and the trace that two runs of one seed have to share. */
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
}
