import type { Chance, CommandIntent, Generator, ModuleIntents } from '../consistency/simulation/domain.ts';
import { choicesOf } from '../consistency/simulation/choices.ts';
import { nothingKnown } from '../consistency/simulation/known.ts';
import { command } from './api.ts';

/** An applied command, and its intent. */
export interface Applied {
  readonly generator: Generator;
  readonly chance: Chance;
  readonly intent: CommandIntent;
  readonly key: string;
  readonly answer: Response;
  readonly receipt: Readonly<Record<string, unknown>>;
}

/**
 * Sends so many commands over HTTP, one after the other, as the clients of the simulation think them up: the same commands in every run.
 * Gives those that were applied, each right after its answer.
 */
export async function* appliedCommands(intents: readonly ModuleIntents[], count: number): AsyncGenerator<Applied> {
  const known = nothingKnown();
  const generators = intents.flatMap(({ commands }) => commands(known, { seed: 1 }));
  const choices = choicesOf(1);
  const chance: Chance = { ...choices, hot: choices.pick };
  // Each kind of command has its turn before any has another one.
  let turns: readonly Generator[] = [];
  for (let sent = 0; sent < count && generators.length > 0; sent += 1) {
    if (turns.length === 0) turns = generators;
    const generator = choices.pick(turns);
    turns = turns.filter((other) => other !== generator);
    const intent = generator.make(chance) as CommandIntent | undefined;
    if (!intent) continue;
    const key = crypto.randomUUID();
    const answer = await command(intent, { 'Idempotency-Key': key });
    if (!answer.ok) continue;
    const receipt = await answer.clone().json<Record<string, unknown>>();
    intent.learn?.(receipt);
    yield { generator, chance, intent, key, answer, receipt };
  }
}
