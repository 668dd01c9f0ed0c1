import { env } from 'cloudflare:workers';
import { positionsIn, separateCheckpoints } from './checkpoints.ts';

/**
 * Takes note of how far the archive is. The result takes it back there, as a restore of its database to this moment does: what was appended
 * since is gone, and its positions are given out again.
 */
export async function rememberArchive(): Promise<() => Promise<void>> {
  const end = (await env.REPORTING_DB.prepare('SELECT max(position) AS n FROM archive_event').first<number>('n')) ?? 0;
  const checkpoints = (await positionsIn(env.REPORTING_DB)).filter(({ projection }) => projection === 'archive');
  return async () => {
    await separateCheckpoints(env.REPORTING_DB);
    await env.REPORTING_DB.batch([
      env.REPORTING_DB.prepare('DELETE FROM archive_event WHERE position > ?').bind(end),
      env.REPORTING_DB.prepare(`DELETE FROM checkpoint WHERE projection = 'archive'`),
      env.REPORTING_DB.prepare(
        `INSERT INTO checkpoint (projection, slot, stream, version, event_id)
        SELECT 'archive', value ->> 'slot', value ->> 'stream', value ->> 'version', value ->> 'event_id'
        FROM json_each(?)`,
      ).bind(JSON.stringify(checkpoints)),
    ]);
  };
}
