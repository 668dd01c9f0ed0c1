import { expect, it } from 'vitest';

/*
 * What a domain may import. Each name is a promise to every fork: a name that goes, or that means something else, breaks their code. So a change
 * here is a decision, and CHANGELOG.md tells of it.
 */

const DOOR = [
  'ACTOR_EXAMPLE',
  'Actor',
  'ActorSchema',
  'CommandOf',
  'Decision',
  'EventOf',
  'Given',
  'PAGE_QUERY',
  'Preparation',
  'Principal',
  'Problem',
  'RecordedEvent',
  'Rejection',
  'RowOf',
  'SeenOf',
  'Time',
  'Upcaster',
  'Uuid',
  'Version',
  'WriteSide',
  'actorText',
  'aggregate',
  'apiKeys',
  'commands',
  'csvAnswer',
  'described',
  'events',
  'former',
  'formerName',
  'hasBlank',
  'idOf',
  'ignored',
  'integerParameter',
  'listRoute',
  'module',
  'named',
  'normalText',
  'pageOf',
  'pagesOf',
  'parseActor',
  'plainText',
  'prepared',
  'preparedQuery',
  'projectionOf',
  'queryBuilder',
  'queryRoute',
  'readModel',
  'readModelOfColumns',
  'routesOf',
  'slotTables',
  'stateLookup',
  'sumAs',
  'sumShape',
  'text',
  'versioned',
  'wideSum',
];

const TEST_KIT = ['GivenEvent', 'given', 'inMemorySystem', 'project'];

const [door = '', testKit = ''] = ['index.ts', 'testing/index.ts'].map(
  (path) =>
    import.meta.glob('../../src/tidemark/{,testing/}index.ts', { query: '?raw', import: 'default', eager: true })[
      `../../src/tidemark/${path}`
    ],
);

/** The names in the export clauses of a file, types too. */
function exportsOf(source: string): readonly string[] {
  const clauses = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].map((match) => match[1] ?? '');
  return clauses
    .flatMap((clause) => clause.split(','))
    .map((name) => name.trim().replace(/^type /, ''))
    .filter((name) => name !== '')
    .toSorted();
}

it.each([
  ['#tidemark', door, DOOR],
  ['#tidemark/testing', testKit, TEST_KIT],
])('%s exports what it promises, and nothing else', (_name, source, promised) => {
  expect(exportsOf(source)).toEqual(promised.toSorted());
});

it('#tidemark is nothing but its exports', () => {
  const code = door
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replaceAll(/^export (?:type )?\{[^}]*\} from '[^']+';$/gm, '');
  expect(code.trim()).toBe('');
});
