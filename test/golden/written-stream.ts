import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { post } from '../support/api.ts';
import { exampleIn } from '../support/examples.ts';
import { choicesOf } from '../consistency/simulation/choices.ts';
import type { CommandIntent, Known, ModuleIntents } from '../consistency/simulation/domain.ts';

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

/**
 * Has today's code write events by the commands that clients send in the simulation: the same commands in every run. A domain whose
 * commands do not come to every form of its events that way has a list of its own, as the shop has.
 */
export async function writtenByIntents(intents: readonly ModuleIntents[]): Promise<readonly WrittenStream[]> {
  const lists = new Map<string, unknown[]>();
  const of = (name: string) => lists.get(name) ?? lists.set(name, []).get(name) ?? [];
  const known: Known = { of: of as Known['of'], ids: (category) => of(`ids of ${category}`) as string[] };
  const generators = intents.flatMap(({ commands }) => commands(known, { seed: 1 }));
  const choices = choicesOf(1);
  const chance = { ...choices, hot: choices.pick };
  const written: WrittenStream[] = [];
  for (let count = 0; count < COMMANDS && generators.length > 0; count += 1) {
    const intent = choices.pick(generators).make(chance) as CommandIntent | undefined;
    if (!intent) continue;
    const { path, body, stream, learn } = intent;
    const key = `golden-${crypto.randomUUID()}`;
    const answer = await post(path, body, { 'Idempotency-Key': key });
    if (!answer.ok) continue;
    const receipt = await answer.json<Record<string, unknown>>();
    learn?.(receipt);
    if (stream === null)
      written.push({ stream: exampleIn(receipt).stream as StreamId, created: { path, key, body: body as object } });
  }
  return written;
}
