import { AsyncLocalStorage } from 'node:async_hooks';

/*
 * One request at a time. Each request of the system to the outside (a database, a queue, an object, a timer) waits at a gate until the
 * scheduler opens it. The scheduler opens the next gate only when all work that followed from the last has come to rest. So real I/O is never
 * concurrent, and the seed alone decides the order.
 */

/** Waits at gates: a request, a batch of a queue, an alarm, a build, or the background work of an object. */
export interface Actor {
  readonly name: string;
  /** Which clock it goes by. */
  readonly place: string;
  /** What that clock has shown it, in ms. */
  readonly times: number[];
  readonly gates: Map<number, Gate>;
  /** Lets one of its gates open where it has to: in the object that waits at it. Absent: right here. */
  readonly proceed?: (gate: number) => Promise<void>;
}

/** An actor with an end. While it lives it waits at a gate, or is not at rest. */
export interface Task extends Actor {
  isDone: boolean;
  /** It was aborted in the middle: its awaited result never comes. */
  isKilled: boolean;
}

export interface Gate {
  readonly id: number;
  readonly label: string;
  readonly actor: Actor;
  readonly kind: 'call' | 'timer';
  /** Not before this moment of the true time, in ms. */
  dueAt: number;
  /** Lets it pass, and resolves when what follows from that has come to rest. To be called in the context that waits. */
  readonly open: () => Promise<void>;
}

/** The simulation has a fault, or the system waits for something that the simulation does not know. */
export class StuckError extends Error {
  override readonly name = 'StuckError';
}

const acting = new AsyncLocalStorage<Actor>();

/** Who acts at the moment; undefined outside of a run. */
export function currentActor(): Actor | undefined {
  return acting.getStore();
}

/** Runs `work` as an actor. */
export function as<Result>(actor: Actor, work: () => Result): Result {
  return acting.run(actor, work);
}

/** Everything that is due in this context has run when it resolves. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

const PATIENCE_TURNS = 3_000;

export class Scheduler {
  /** The true time, in ms since the epoch. Every place has a clock of its own, which goes after it as well as it can. */
  now: number;
  /** How many gates were passed. */
  passed = 0;
  readonly tasks = new Set<Task>();
  /** Gates that another call opens at present. A task that waits at one finds it here. */
  readonly opening = new Map<number, Gate>();
  readonly #gates = new Map<number, Gate>();
  #ids = 0;

  constructor(startAt: number) {
    this.now = startAt;
  }

  /** Waits for its turn, then does `work`. Outside of a run it does it at once. */
  async call<Result>(label: string, work: () => Promise<Result>, heldForMs = 0): Promise<Result> {
    const actor = currentActor();
    if (!actor) return work();
    const go = Promise.withResolvers<void>();
    const settled = Promise.withResolvers<void>();
    this.#wait(actor, 'call', label, this.now + heldForMs, async () => {
      go.resolve();
      await settled.promise;
      await turn();
    });
    await go.promise;
    try {
      return await work();
    } finally {
      settled.resolve();
    }
  }

  /** A timer in simulated time. */
  setTimer(ms: number, ring: () => void): () => void {
    const actor = currentActor();
    if (!actor) {
      const timer = setTimeout(ring, ms);
      return () => clearTimeout(timer);
    }
    const gate = this.#wait(actor, 'timer', 'timer', this.now + Math.max(Math.ceil(ms), 0), async () => {
      ring();
      await turn();
    });
    return () => this.#forget(gate);
  }

  /** Begins a task, and resolves when it has come to its first gate, or to its end. */
  async start(task: Task, work: () => Promise<void>): Promise<void> {
    this.tasks.add(task);
    const run = async () => {
      try {
        await as(task, work);
      } finally {
        task.isDone = true;
        this.tasks.delete(task);
        this.drop(task);
      }
    };
    run().catch((error: unknown) => {
      this.failure ??= error;
    });
    await turn();
    await this.#rest();
  }

  /** The error of a task. Tasks catch every error of the system, so this is a fault of the simulation. */
  failure: unknown;

  /** Tears a task away: nothing that it waits for ever comes. */
  kill(task: Task): void {
    task.isKilled = true;
    task.isDone = true;
    this.tasks.delete(task);
    this.drop(task);
  }

  /** Resolves when a task has come to its end. */
  async over(task: Task): Promise<void> {
    while (this.tasks.has(task)) await turn();
  }

  /** Forgets all gates of an actor that has ended. */
  drop(actor: Actor): void {
    for (const gate of actor.gates.values()) this.#gates.delete(gate.id);
    actor.gates.clear();
  }

  /** The gates that could be passed now, in the order in which they were reached. */
  ready(): readonly Gate[] {
    return [...this.#gates.values()].filter(({ dueAt }) => dueAt <= this.now);
  }

  /** When the next gate that cannot be passed yet can be; undefined when there is none. */
  nextDue(): number | undefined {
    const due = [...this.#gates.values()].map(({ dueAt }) => dueAt).filter((at) => at > this.now);
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /** Lets what hangs go on: the end of all faults. */
  release(): void {
    for (const gate of this.#gates.values()) if (gate.kind === 'call') gate.dueAt = Math.min(gate.dueAt, this.now);
  }

  /** Lets one gate pass and waits until everything has come to rest. */
  async pass(gate: Gate): Promise<void> {
    this.#forget(gate);
    this.passed += 1;
    if (gate.actor.proceed) {
      this.opening.set(gate.id, gate);
      await gate.actor.proceed(gate.id);
      this.opening.delete(gate.id);
    } else {
      await gate.open();
    }
    await this.#rest();
  }

  #wait(actor: Actor, kind: Gate['kind'], label: string, dueAt: number, open: () => Promise<void>): Gate {
    this.#ids += 1;
    const gate: Gate = { id: this.#ids, label, actor, kind, dueAt, open };
    // Who is no more never passes.
    if ('isKilled' in actor && (actor as Task).isKilled) return gate;
    actor.gates.set(gate.id, gate);
    this.#gates.set(gate.id, gate);
    return gate;
  }

  #forget(gate: Gate): void {
    gate.actor.gates.delete(gate.id);
    this.#gates.delete(gate.id);
  }

  /** Until every task waits at a gate or is over. */
  async #rest(): Promise<void> {
    for (let turns = 0; turns < PATIENCE_TURNS; turns += 1) {
      const restless = [...this.tasks].find(({ isDone, gates }) => !isDone && gates.size === 0);
      if (!restless) return;
      await turn();
    }
    const names = [...this.tasks].filter(({ gates }) => gates.size === 0).map(({ name }) => name);
    throw new StuckError(`waiting for what the simulation does not know: ${names.join(', ')}`);
  }
}

/** A task that has not started. */
export function newTask(name: string, place: string, proceed?: Actor['proceed']): Task {
  return { name, place, times: [], gates: new Map(), isDone: false, isKilled: false, ...(proceed && { proceed }) };
}
