import type { PlantedBug } from './planted.ts';

/** Bugs of builds and pointers. */
export const PLANTED_IN_REBUILDS: readonly PlantedBug[] = [
  {
    name: 'a swap without its guards',
    breaks: ['I12', 'I20'],
    edits: [
      {
        file: 'src/tidemark/rebuild/build-transitions.ts',
        find: '...(isFirst ? [] : [assertNotBehind(database, build.projection, live, build.target)]),',
        replace: '',
      },
      { file: 'src/tidemark/rebuild/rebuild.ts', find: "await once('join', join);", replace: '' },
      {
        file: 'src/tidemark/rebuild/rebuild.ts',
        find: "await untilDone('close the gap after the join', closeGap);",
        replace: '',
      },
    ],
  },
  {
    // Drops the checks of the read and of the write. If one of them stays, the bug shows only in a race of a few milliseconds.
    name: 'a batch does not name its epoch',
    breaks: ['I20'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-round.ts',
        find: 'if (epoch !== pointer.epoch) {',
        replace: 'if (epoch === undefined) {',
      },
      {
        file: 'src/tidemark/projections/guarded-batch.ts',
        find: 'assertEpoch(database, projectionName, pointer),\n      ...parts',
        replace: '...parts',
      },
    ],
  },
  {
    name: 'a rebuild applies what was skipped',
    breaks: ['I12'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-round.ts',
        find: 'const places = work.pending.map(placeOf);',
        replace: `const places = work.pending
    .map(placeOf)
    .map((place) => (isBuild ? { ...place, obstacles: { ...place.obstacles, skipped: new Map() } } : place));`,
      },
    ],
  },
  {
    name: 'a batch does not name its slot',
    breaks: ['I20'],
    edits: [
      {
        file: 'src/tidemark/projections/guarded-batch.ts',
        find: 'const table = shapeOf(projection.row.tables[target.slot]);',
        replace: 'const table = shapeOf(projection.row.tables.a);',
      },
    ],
  },
];
