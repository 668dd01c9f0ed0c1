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
        find: '...pointed.map(({ projectionName, pointer }) => assertEpoch(database, projectionName, pointer)),',
        replace: '',
      },
      {
        file: 'src/tidemark/catch-up/catch-up-together.ts',
        find: '=> epoch === pointer.epoch && fault?.appliedAt !== null',
        replace: '=> epoch !== undefined && pointer.epoch > 0 && fault?.appliedAt !== null',
      },
    ],
  },
  {
    name: 'a shared checkpoint vouches for both slots of a projection that it names',
    breaks: ['I12'],
    edits: [
      {
        file: 'src/tidemark/projections/checkpoint.ts',
        find: 'shared?.vouches.includes(name) ?',
        replace: 'shared?.vouches.some((other) => other.slice(0, -1) === name.slice(0, -1)) ?',
      },
      {
        file: 'src/tidemark/projections/checkpoint-moves.ts',
        find: 'from.shared?.vouches.includes(vouchedName(projection, slot)) === true;',
        replace:
          'from.shared?.vouches.some((name) => name.slice(0, -1) === vouchedName(projection, slot).slice(0, -1)) === true;',
      },
    ],
  },
  {
    name: 'a cleared slot stays in shared checkpoints',
    breaks: ['I12'],
    edits: [
      {
        file: 'src/tidemark/rebuild/slot-clearing.ts',
        find: '(count, after) => leaveShared(database, projection.name, slot, count, after),',
        replace: '() => leaveShared(database, projection.name, slot, 0, ``),',
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
