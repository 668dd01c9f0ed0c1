import type { PlantedBug } from './planted.ts';

/** Bugs that show after a restore, with full storage, or with damaged tables. */
export const PLANTED_IN_DISASTERS: readonly PlantedBug[] = [
  {
    name: 'a restored log goes unnoticed',
    breaks: ['I11', 'I18'],
    edits: [
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'return at > 0 && storage.read(at, 1)[0]?.id !== eventId;',
        replace: 'return at < 0 && eventId === null;',
      },
      {
        file: 'src/tidemark/catch-up/sweep-logs.ts',
        find: 'reached.version === at && reached.eventId !== eventId',
        replace: 'reached.version === at && at < 0',
      },
    ],
  },
  {
    name: 'an SQL error holds up its whole batch',
    breaks: ['I17'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-apply.ts',
        find: 'if (more.length === 0) return applyPiecemeal(attempt, only, sent);',
        replace: `if (more.length === 0) return applyPiecemeal(attempt, only, sent);
  for (const step of steps) await findTarget(attempt, step, sent);
  if (more.length > 0) return false;`,
      },
    ],
  },
  {
    name: 'a full database makes dead letters',
    breaks: ['I17'],
    edits: [
      {
        file: 'src/tidemark/projections/d1-errors.ts',
        find: "kind: 'storage',\n    says:",
        replace: "kind: 'data',\n    says:",
      },
    ],
  },
];
