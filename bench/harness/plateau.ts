import type { LoadJob } from '../load/load-protocol.ts';
import { loadAll } from './load.ts';

/**
 * Warms a contender up until its throughput no longer grows: two pieces in a row within `within` of the best so far. Returns how many requests
 * that took.
 */
export async function warmUp(
  job: Omit<LoadJob, 'pace'>,
  { pieceMs = 500, maxPieces = 12, within = 0.07 } = {},
): Promise<number> {
  let sent = 0;
  let best = 0;
  let settled = 0;
  for (let piece = 0; piece < maxPieces && settled < 2; piece += 1) {
    const { perSecond, count } = await loadAll({
      ...job,
      // Numbers go on from piece to piece, or the second would only repeat what has been done.
      firstNumber: (job.firstNumber ?? 0) + sent,
      pace: { type: 'closed', durationMs: pieceMs },
    });
    sent += count;
    settled = perSecond <= best * (1 + within) ? settled + 1 : 0;
    best = Math.max(best, perSecond);
  }
  return sent;
}
