/**
 * Swaps a projection back to its former slot: `npm run rollback -- order-search`. Or releases the former slot, which costs as much as the live slot:
 * `npm run release -- order-search`.
 */
import { UnexpectedAnswerError, apiClient, requireServer, retrying } from './api-client.ts';
import { SERVER_HELP, SERVER_OPTIONS, askedOrExit, explain, parseCommandLine, requireUrl } from './command-line.ts';
import { pathOf, statusOf } from './projections/builds.ts';
import { untilOf } from './projections/outcome.ts';

const HELP = `Usage: npm run rollback -- <projection> [options]
       npm run release -- <projection> [options]

  rollback        makes the slot live that was live before the last swap; a second rollback undoes the first
  release         stops updating that slot; a rollback is not possible afterwards
${SERVER_HELP}`;

const asked = askedOrExit(HELP, (args) => {
  const options = { ...SERVER_OPTIONS, release: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandLine(args, options, {
    max: 1,
    excess: (word) => `"${word}" is one word too many: name one projection.`,
  });
  if (values.help) return undefined;
  const [projection] = positionals;
  if (projection === undefined) throw new Error('Which projection? For example: npm run rollback -- order-search.');
  return { ...values, projection, url: requireUrl(values.url) };
});
const { projection } = asked;
const api = apiClient(asked.url, { credential: asked.key ?? process.env['OPERATIONS_KEY'] });

try {
  await requireServer(api);
  await (asked.release ? release() : rollBack());
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

async function rollBack(): Promise<void> {
  const before = await retrying(() => api.get<{ slot: 'a' | 'b' | null }>(pathOf(projection)));
  if (before.status !== 200) throw new UnexpectedAnswerError(before);
  // Names the slot, so that a request without an answer can be repeated: a second rollback would undo the first.
  const to = before.body.slot === 'a' ? 'b' : 'a';
  const answer = await retrying(() =>
    api.post<{ revision: number; slot: string }>(`${pathOf(projection)}/rollback?slot=${to}`, {}),
  );
  if (answer.status !== 200) throw new UnexpectedAnswerError(answer);
  const { revision, slot } = answer.body;
  const until = untilOf((await statusOf(api, projection)).rollback);
  console.log(
    `Revision ${revision} in slot ${slot} of ${projection} is live now. The slot that was live before is kept up to date${until}.`,
  );
}

async function release(): Promise<void> {
  const answer = await retrying(() => api.post(`${pathOf(projection)}/release`, {}));
  if (answer.status !== 204) throw new UnexpectedAnswerError(answer);
  console.log(`Released: the former slot of ${projection} is no longer updated, and a rollback to it is not possible.`);
}
