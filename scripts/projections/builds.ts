/** Builds of projections, through the operations routes. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Answer, type Api, UnexpectedAnswerError, retrying } from '../api-client.ts';
import { type Progress, duration } from '../progress.ts';
import type { Differences } from './differences.ts';

export interface Build {
  readonly id: string;
  readonly projection: string;
  readonly revision: number;
  /** Null: no slot was live when the build started. */
  readonly liveRevision: number | null;
  readonly state: 'building' | 'comparing' | 'awaiting-acceptance' | 'swapped' | 'failed' | 'cancelled';
  readonly accept: boolean;
  readonly dryRun: boolean;
  readonly replayed: number;
  readonly total: number;
  /** Events per second. */
  readonly rate: number | null;
  readonly etaMs: number | null;
  readonly differences: Differences | null;
  readonly error: {
    readonly message: string;
    readonly stream?: string;
    readonly version?: number;
    readonly kind?: string;
  } | null;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly endedAt: string | null;
}

export interface ProjectionStatus {
  readonly name: string;
  readonly lag: { readonly events: number } | null;
  readonly build: { readonly id: string } | null;
  /** The slot that a rollback would make live, and the time when it is released. */
  readonly rollback: { readonly slot: string; readonly until: string | null } | null;
}

/** The interval of requests for a build, in ms. */
const LOOK_EVERY_MS = 500;

/** Starts a build. If one is already running, returns that one, and `isNew` is false. */
export async function startBuild(
  api: Api,
  projection: string,
  { accept = false, dryRun = false }: { readonly accept?: boolean; readonly dryRun?: boolean },
): Promise<{ readonly build: Build; readonly isNew: boolean }> {
  const query = new URLSearchParams({ ...(accept && { accept: 'true' }), ...(dryRun && { dryRun: 'true' }) });
  const path = `${pathOf(projection)}/rebuild?${query.toString()}`;
  // If the answer is lost, the retry gets 409 with the build that the lost request started.
  const started = await retrying(() => api.post<Build>(path, {}));
  if (started.status === 202) return { build: started.body, isNew: true };
  const location = started.headers.get('Location');
  if (started.status !== 409 || location === null) throw new UnexpectedAnswerError(started);
  return { build: okBody(await retrying(() => api.get<Build>(location))), isNew: false };
}

export async function buildOf(api: Api, projection: string, id: string): Promise<Build> {
  return okBody(await retrying(() => api.get<Build>(pathOf(projection, id))));
}

/** The id of the running build, if there is one. */
export async function runningBuild(api: Api, projection: string): Promise<string | undefined> {
  return (await statusOf(api, projection)).build?.id;
}

export async function statusOf(api: Api, projection: string): Promise<ProjectionStatus> {
  return okBody(await retrying(() => api.get<ProjectionStatus>(pathOf(projection))));
}

export async function cancelBuild(api: Api, projection: string, id: string): Promise<Build> {
  return okBody(await retrying(() => api.delete<Build>(pathOf(projection, id))));
}

export async function acceptBuild(api: Api, projection: string, id: string): Promise<Build> {
  return okBody(await retrying(() => api.post<Build>(`${pathOf(projection, id)}/accept`, {})));
}

/**
 * Watches a build until it has ended or awaits acceptance, and shows its progress (`BUILD_TEXT`). Retries while the server does not answer.
 */
export async function watchBuild(api: Api, from: Build, progress: Progress): Promise<Build> {
  let build = from;
  progress.start(build.total, figuresOf(build));
  try {
    for (;;) {
      progress.update(build.replayed, figuresOf(build));
      if (build.state !== 'building' && build.state !== 'comparing') return build;
      await sleep(LOOK_EVERY_MS);
      build = await buildOf(api, build.projection, build.id);
    }
  } finally {
    progress.stop();
  }
}

/** The text of a build's progress bar. */
export const BUILD_TEXT = '{state}, {value}/{total} events, {rate}/s, {left} left';

function figuresOf({ state, rate, etaMs, replayed, total }: Build) {
  return {
    state: state === 'building' && replayed >= total ? 'catching up' : state,
    rate: rate === null ? '–' : Math.round(rate),
    left: etaMs === null ? '–' : duration(etaMs),
  };
}

export function pathOf(projection: string, build?: string): string {
  const path = `/projections/${encodeURIComponent(projection)}`;
  return build === undefined ? path : `${path}/rebuilds/${encodeURIComponent(build)}`;
}

function okBody<Body>(answer: Answer<Body>): Body {
  if (answer.status !== 200) throw new UnexpectedAnswerError(answer);
  return answer.body;
}
