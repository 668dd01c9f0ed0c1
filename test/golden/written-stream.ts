import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import type { ModuleIntents } from '../consistency/simulation/domain.ts';
import { nothingKnown } from '../consistency/simulation/known.ts';
import { appliedCommands } from '../support/applied-commands.ts';
import { exampleIn } from '../support/examples.ts';

/** A command that created a stream: with its key, it is the same command for ever. */
export interface Creation {
  readonly path: string;
  readonly key: string;
  readonly body: object;
}

export interface WrittenStream {
  readonly stream: StreamId;
  readonly created?: Creation;
}

/** Enough for every event type of a few modules. */
const COMMANDS = 120;
/** The least number of turns that each kind of command has. */
const TURNS = 15;

/**
 * Has today's code write events by the commands that clients send in the simulation: the same commands in every run. A domain whose
 * commands do not come to every form of its events that way has a list of its own, as the shop has.
 */
export async function writtenByIntents(intents: readonly ModuleIntents[]): Promise<readonly WrittenStream[]> {
  const written: WrittenStream[] = [];
  const kinds = intents.flatMap(({ commands }) => commands(nothingKnown(), { seed: 1 })).length;
  for await (const { intent, key, receipt } of appliedCommands(intents, Math.max(COMMANDS, TURNS * kinds))) {
    const { path, body, stream } = intent;
    if (stream !== null) continue;
    written.push({ stream: exampleIn(receipt).stream as StreamId, created: { path, key, body: body as object } });
  }
  return written;
}
