/**
 * One request as the generator makes it. In `path`, `body` and `headers` stands `{{id}}` for one of the ids, `{{token}}` for
 * what belongs to it, and `{{n}}` for a running number.
 */
export interface RequestTemplate {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Any other status counts as a failure. */
  readonly status: number;
  /** A second request, sent when the first was answered; then only the second is timed. */
  readonly followUp?: FollowUp;
}

/** A request that follows another on the same connection. `{{location}}` stands for the `Location` of the answer before. */
export interface FollowUp {
  readonly path: string;
  readonly status: number;
  /** Whether it carries the causal token of the answer before. */
  readonly isCausal: boolean;
  /** It is sent again after this pause, in ms, until its answer shows the version of the answer before. All of that is timed. Default: it is sent once. */
  readonly untilShownEveryMs?: number;
}

/** How much is sent, and when. */
export type Pace =
  /** Each connection sends its next request when the one before was answered. */
  | { readonly type: 'closed'; readonly count: number }
  | { readonly type: 'closed'; readonly durationMs: number }
  /** Requests start at the times of a Poisson process, whatever became of those before, and are timed from then. */
  | { readonly type: 'open'; readonly ratePerS: number; readonly durationMs: number };

/** By which law the ids are chosen. */
export type Choice =
  | { readonly law: 'in-turn' }
  | { readonly law: 'even'; readonly seed: number }
  | { readonly law: 'zipf'; readonly seed: number; readonly exponent: number };

/** A piece of load. */
export interface LoadJob {
  readonly url: string;
  readonly connections: number;
  readonly pace: Pace;
  readonly request: RequestTemplate;
  /** Each `every`-th request is this one instead. */
  readonly aside?: { readonly every: number; readonly request: RequestTemplate };
  /** Default: none, so `{{id}}` must not be used. */
  readonly ids?: readonly string[];
  /** A causal token for each of the ids. */
  readonly tokens?: readonly string[];
  /** Default: in turn. */
  readonly choice?: Choice;
  /** Where `{{n}}` begins. Default: 0. */
  readonly firstNumber?: number;
}

/** What came of it. Times in ms. */
export interface LoadResult {
  readonly count: number;
  /** Failures by what they were: a status, or the name of an error. */
  readonly failures: Readonly<Record<string, number>>;
  /** When the first request started, in ms since the epoch. */
  readonly startedAt: number;
  /** From there to the last answer. */
  readonly durationMs: number;
  readonly perSecond: number;
  readonly latencyMs: {
    readonly mean: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
}
