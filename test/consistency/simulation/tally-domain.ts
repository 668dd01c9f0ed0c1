import { tallies as module } from '../../support/tally-routes.ts';
import { createTallyTables, tallyBoard, tallyCount } from '../../support/tally.ts';
import { type ShownRow, type SimulatedDomain, canonical } from './domain.ts';
import { judgeTalliesAtRest } from './tally-at-rest.ts';

const IDS = Array.from({ length: 4 }, (_, index) => `0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5${index}`);

type Body = Record<string, unknown>;

const rowOf = (row: Body): ShownRow => ({
  stream: `tally-${String(row['tallyId'])}`,
  version: row['version'] as number,
  content: canonical(row),
});

/** The tiny domain of the kernel's tests: it only adds numbers up. */
export const tallies: SimulatedDomain = {
  name: 'tally',
  modules: [module],
  // Before there was a second revision of the count.
  formerModules: [{ ...module, projections: [tallyBoard, tallyCount] }],
  prepare: ({ serving }) => createTallyTables(serving),
  begin: () => ({
    generators: [
      {
        name: 'Add',
        make(chance) {
          const tallyId = chance.hot(IDS);
          const path = `/tallies/${tallyId}/additions`;
          const stream = `tally-${tallyId}`;
          // Adding nothing is refused.
          const body = { by: chance.below(7) };
          const scope = `POST ${path}`;
          return { kind: 'command', command: 'Add', path, scope, stream, body, streamOf: () => stream };
        },
      },
      {
        name: 'RaiseTo',
        make(chance) {
          const tallyId = chance.hot(IDS);
          const path = `/tallies/${tallyId}/levels`;
          const stream = `tally-${tallyId}`;
          const body = { to: 1 + chance.below(12) };
          const scope = `POST ${path}`;
          const command = { kind: 'command', command: 'RaiseTo', path, scope, stream, body } as const;
          // Where the tally is there already, there is nothing to do.
          return { ...command, mayDoNothing: true, streamOf: () => stream };
        },
      },
      {
        name: 'getTally',
        make(chance) {
          const tallyId = chance.hot(IDS);
          return { kind: 'read', readModel: 'tally-board', path: `/tallies/${tallyId}`, stream: `tally-${tallyId}` };
        },
      },
      {
        name: 'listTallies',
        make: () => ({
          kind: 'list',
          readModel: 'tally-board',
          categories: ['tally'],
          path: '/tallies?limit=100',
          query: () => null,
          rowsOf: (body) => (body['items'] as readonly Body[]).map(rowOf),
        }),
      },
    ],
    saw: () => ({}),
    contentOf: (stream, events) => {
      const sum = events.reduce((total, { data }) => total + Number(data['by']), 0);
      return canonical({ tallyId: stream.slice('tally-'.length), version: events.at(-1)?.version, sum });
    },
    membership: (logs, skipped) => ({
      // Every tally is in the list as soon as anything of it was applied.
      belongs: ({ readModel }, stream, version) =>
        logs[stream]?.some(
          (event) =>
            event.version <= version &&
            !skipped.some(
              (one) => one.readModel === readModel && one.stream === stream && one.version === event.version,
            ),
        ),
    }),
    judgeAtRest: judgeTalliesAtRest,
  }),
};
