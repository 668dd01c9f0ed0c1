import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import type { StoredEvent } from '../../src/tidemark/domain/event.ts';
import { UNSEEN } from '../../src/tidemark/domain/seen.ts';
import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { streamId } from '../../src/tidemark/domain/stream.ts';
import type { ExecuteResult } from '../../src/tidemark/write/aggregate.ts';
import type { Command } from '../../src/tidemark/domain/decider.ts';
import type { CommandContext } from '../../src/tidemark/write/command-bus.ts';
import { runtimeOf } from '../worker.ts';

/** The system under test from within: its bus, aggregates and reads, as requests use them. */
export const system = runtimeOf(env);

export function newTally(): { tallyId: string; stream: StreamId } {
  const tallyId = crypto.randomUUID();
  return { tallyId, stream: streamId('tally', tallyId) };
}

/** Sends `Add` to a tally through the command bus. */
export function add(tallyId: string, by: number, context: Partial<CommandContext> = {}): Promise<ExecuteResult> {
  return dispatch({ type: 'Add', data: { tallyId, by } }, context);
}

/** Sends `ResetTally` through the command bus. */
export function resetTo0(tallyId: string, context: Partial<CommandContext> = {}): Promise<ExecuteResult> {
  return dispatch({ type: 'ResetTally', data: { tallyId } }, context);
}

async function dispatch(command: Command, context: Partial<CommandContext>): Promise<ExecuteResult> {
  const id = crypto.randomUUID();
  return (await system.bus().dispatch(command, {
    commandId: id,
    correlationId: id,
    causationId: id,
    principal: { kind: 'user', id: 'staff/tester' },
    seen: () => UNSEEN,
    ...context,
  })) as ExecuteResult;
}

/** The object that holds a stream. */
export function objectOf(stream: StreamId): DurableObjectStub {
  return env.AGGREGATES.get(env.AGGREGATES.idFromName(stream));
}

/** Puts an event after the last one of a log, in the shape in which some release of the code wrote it. */
export async function appendAsStored(
  stream: StreamId,
  { type, schemaVersion, data }: Pick<StoredEvent, 'type' | 'schemaVersion' | 'data'>,
): Promise<void> {
  await runInDurableObject(objectOf(stream), (_, { storage }) => {
    storage.sql.exec(
      `INSERT INTO event (version, id, type, schema_version, data, metadata, recorded_at)
      SELECT version + 1, ?, ?, ?, ?, metadata, recorded_at FROM event ORDER BY version DESC LIMIT 1`,
      crypto.randomUUID(),
      type,
      schemaVersion,
      JSON.stringify(data),
    );
  });
  await evictDurableObject(objectOf(stream));
}

/** Takes a log back to an earlier version, as a restored object does. */
export async function restoreLog(stream: StreamId, to: number): Promise<void> {
  await runInDurableObject(objectOf(stream), (_, { storage }) => {
    storage.sql.exec('DELETE FROM event WHERE version > ?', to);
  });
  await evictDurableObject(objectOf(stream));
}
