import { choicesOf } from './choices.ts';
import type { Chance, Generator, Intent } from './domain.ts';
import type { Mix } from './mix.ts';

/** At first there may be nothing that a client can act on. */
const TRIES = 10;

/** The chance by which one client decides. */
export function chanceOf(mix: Mix, client: number): Chance {
  const choices = choicesOf(mix.seed * 131 + client * 17 + 3);
  const few = mix.rates['aggregate.hot'] === undefined ? 2 : 1;
  return {
    ...choices,
    hot: (items) => {
      const isHot = choices.isSome(mix.heat);
      return items[choices.below(isHot ? Math.min(few, items.length) : items.length)] as never;
    },
  };
}

interface Thinking {
  readonly generators: readonly Generator[];
  readonly mix: Mix;
  readonly chance: Chance;
  /** The stream that the client has just had to do with. */
  readonly latest: string | undefined;
}

/** What a client wants next; undefined: nothing, for now. */
export function thinkUp(
  { generators, mix, chance, latest }: Thinking,
  isWanted: (intent: Intent) => boolean = () => true,
): Intent | undefined {
  const weighted = generators.map((generator) => ({ generator, weight: mix.weight(generator.name) }));
  for (let tries = 0; tries < TRIES; tries += 1) {
    const intent = drawn(weighted, chance)?.make(chance);
    if (!intent || !isWanted(intent)) continue;
    // Half of the time it reads, or continues with, its latest stream.
    const isStray = latest !== undefined && intent.kind === 'read' && intent.stream !== latest;
    if (isStray && chance.next() < 0.5) continue;
    return intent;
  }
  return undefined;
}

function drawn(
  weighted: readonly { readonly generator: Generator; readonly weight: number }[],
  chance: Chance,
): Generator | undefined {
  let at = chance.next() * weighted.reduce((sum, { weight }) => sum + weight, 0);
  for (const { generator, weight } of weighted) {
    at -= weight;
    if (at < 0) return generator;
  }
  return weighted.at(-1)?.generator;
}
