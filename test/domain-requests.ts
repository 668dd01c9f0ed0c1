import { intents } from './domain.ts';
import { writtenByIntents } from './golden/written-stream.ts';
import { shopHints } from './shop/conformance/fuzz-hints.ts';
import { writtenToday } from './shop/golden/written-today.ts';

/** Streams in which today's code has written every type of event, in every form: see test/golden. */
export const written = async () => [...(await writtenToday()), ...(await writtenByIntents(intents))];

/** What helps requests of the fuzz test past the refusals of the domain. */
export const fuzzHints = shopHints;
