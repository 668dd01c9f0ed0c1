/** How much is measured. */
export interface Plan {
  /** How often contenders take their turns. */
  readonly turns: number;
  /** Commands in one turn. */
  readonly commands: number;
  /** Orders placed in one turn. */
  readonly placed: number;
  /** How long one turn of reads lasts, in ms. */
  readonly readMs: number;
  /** At which shares of CRUD's saturation latency is measured. */
  readonly shares: readonly number[];
  /** How long one turn in an open loop lasts, in ms. */
  readonly openMs: number;
  /** How long one turn of looking at freshness lasts, in ms. */
  readonly freshMs: number;
  /** Numbers of orders that read models are measured at. */
  readonly orders: readonly number[];
  /** Whether all reads are measured at each of these: those without a target, and those that do not grow with the orders, as well. */
  readonly readsAllAtEverySize: boolean;
  /** How many aggregates the choice by Zipf's law is among. */
  readonly aggregates: number;
  /** Aggregates created in one turn. */
  readonly creations: number;
  /** Events drained in one turn. */
  readonly drained: number;
  /** Numbers of events in the logs of cold aggregates, fewest first. */
  readonly coldEvents: readonly number[];
  /** How often the server is started again to find its aggregates cold. */
  readonly restarts: number;
  /** Objects woken in one turn, to see what memory they take. */
  readonly objects: number;
  /** How often a Worker's module is loaded into an isolate of its own. */
  readonly isolates: number;
  /** Numbers of orders that a read model is rebuilt of. */
  readonly rebuilt: readonly number[];
  /** How many pieces a warm-up may take. */
  readonly warmUpPieces: number;
}

/** Everything in under an hour. */
export const FULL: Plan = {
  turns: 5,
  commands: 2_000,
  placed: 1_000,
  readMs: 1_500,
  shares: [0.3, 0.5, 0.7],
  openMs: 5_000,
  freshMs: 15_000,
  orders: [1_000, 10_000, 100_000],
  readsAllAtEverySize: true,
  aggregates: 10_000,
  creations: 1_000,
  drained: 5_000,
  coldEvents: [10, 1_000, 10_000],
  restarts: 20,
  objects: 150,
  isolates: 20,
  rebuilt: [10_000, 100_000],
  warmUpPieces: 8,
};

/** The same in under five minutes, at smaller sizes: for an impression, not for a claim. */
export const QUICK: Plan = {
  turns: 3,
  commands: 400,
  placed: 200,
  readMs: 300,
  shares: [0.7],
  openMs: 1_200,
  freshMs: 4_000,
  orders: [1_000, 10_000],
  readsAllAtEverySize: false,
  aggregates: 200,
  creations: 100,
  drained: 1_000,
  coldEvents: [10, 1_000],
  restarts: 4,
  objects: 10,
  isolates: 4,
  rebuilt: [4_000],
  warmUpPieces: 1,
};
