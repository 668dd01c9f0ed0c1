import type { PlantedBug } from './planted.ts';

/** In `sendGuardedBatch`: the index of the first statement after those of the checkpoints. */
const ROWS_BEGIN = 'pointed.length + checkpointStatements(database, parts.flatMap(checkpointMovesOf), shares).length';

/** Bugs of projections, checkpoints, tokens and reads. */
export const PLANTED_IN_READS: readonly PlantedBug[] = [
  {
    name: 'a checkpoint is a maximum',
    breaks: ['I9'],
    edits: [
      {
        file: 'src/tidemark/catch-up/hinted-events.ts',
        find: 'if (hint.fromVersion > version + 1) break;',
        replace: '',
      },
      {
        file: 'src/tidemark/catch-up/hinted-events.ts',
        find: 'if ((before ?? null) !== eventId) break;',
        replace: 'void before;',
      },
    ],
  },
  {
    name: 'the compare-and-set is dropped',
    breaks: ['I9', 'I10'],
    edits: [
      {
        file: 'src/tidemark/projections/checkpoint-moves.ts',
        find: "WHERE coalesce(c.version, 0) <> move.value ->> 3 OR coalesce(c.event_id, '') <> move.value ->> 4",
        replace: 'WHERE false',
      },
      {
        file: 'src/tidemark/projections/checkpoint-moves.ts',
        find: "WHERE coalesce(s.version, 0) <> read.value ->> 1 OR coalesce(s.event_id, '') <> read.value ->> 2\n    OR coalesce(s.vouches, '') <> read.value ->> 3",
        replace: 'WHERE false',
      },
    ],
  },
  {
    name: 'a shared checkpoint moves along a projection that stays',
    breaks: ['I9', 'I11', 'I18'],
    edits: [
      {
        file: 'src/tidemark/projections/checkpoint-moves.ts',
        find: 'vouches: [...sharing].toSorted() },',
        replace: 'vouches: [...new Set([...sharing, ...staying])].toSorted() },',
      },
      {
        file: 'src/tidemark/projections/checkpoint-moves.ts',
        find: 'own: [...others.map(toOwnRow), ...leftBehind],',
        replace: 'own: [...others.map(toOwnRow), ...leftBehind].filter((_, index) => index < 0),',
      },
    ],
  },
  {
    name: 'the checkpoint is moved in a batch of its own',
    breaks: ['I8'],
    edits: [
      {
        file: 'src/tidemark/projections/guarded-batch.ts',
        find: 'await database.batch(statements);',
        replace: `await database.batch(statements.slice(0, ${ROWS_BEGIN}));
    if (statements.length > ${ROWS_BEGIN}) await database.batch(statements.slice(${ROWS_BEGIN}));`,
      },
    ],
  },
  {
    name: 'a poison event is passed over',
    breaks: ['I11', 'I17'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-step.ts',
        find: "standstill: { cause: 'poison', reason: error.message },\n      refusal: { stream, version, eventId, cause: 'poison', kind: error.kind, error: error.message },",
        replace:
          "...(eventId === '' && { standstill: { cause: 'poison', reason: error.message } }), ...toMove(stream, from, readable, fold(before)),",
      },
    ],
  },
  {
    name: 'an outage of the database counts as poison',
    breaks: ['I17'],
    edits: [
      {
        file: 'src/tidemark/projections/d1-errors.ts',
        find: "? 'other' : 'transient';",
        replace: "? 'other' : text.includes('D1_ERROR') ? 'data' : 'transient';",
      },
    ],
  },
  {
    name: 'the reader does not catch up',
    breaks: ['I13'],
    edits: [
      {
        file: 'src/tidemark/queries/standing.ts',
        find: 'if (at.version < seen.version) return',
        replace: 'if (at.version < 0 * seen.version) return',
      },
    ],
  },
  {
    name: 'a read model answers from a history that it knows to be lost',
    breaks: ['I13'],
    edits: [
      {
        file: 'src/tidemark/queries/guarded-query.ts',
        find: 'isLost: mark === LOST',
        replace: "isLost: mark === ''",
      },
    ],
  },
  {
    name: 'a version is taken for the event that the client has seen',
    breaks: ['I21'],
    edits: [
      {
        file: 'src/tidemark/domain/seen.ts',
        find: 'fingerprintOf(eventId) !== fingerprint',
        replace: 'fingerprintOf(eventId) === 0',
      },
    ],
  },
  {
    name: 'what was written is not put into the token',
    breaks: ['I13'],
    edits: [
      {
        file: 'src/tidemark/http/causal.ts',
        find: 'see(stream, version, eventId) {\n        token = withVersion(token, stream, version, eventId);',
        replace: 'see(stream, version, eventId) {\n        void [stream, version, eventId];',
      },
    ],
  },
  {
    name: 'what was read is not put into the token',
    breaks: ['I14'],
    edits: [
      {
        file: 'src/tidemark/http/causal.ts',
        find: 'if (version > 0) token = withVersion(token, stream, version, eventId);',
        replace: 'void eventId;',
      },
    ],
  },
  {
    name: 'of several tokens only the first counts',
    breaks: ['I13', 'I14', 'I15'],
    edits: [
      {
        file: 'src/tidemark/http/token-header.ts',
        find: 'texts.slice(0, MAX_TOKENS).map(',
        replace: 'texts.slice(0, 1).map(',
      },
    ],
  },
  {
    name: 'any replica may answer, whatever the bookmark',
    breaks: ['I14'],
    edits: [
      {
        file: 'src/tidemark/queries/causal-read.ts',
        find: "token.bookmarks.get(projection.group.name) ?? 'first-primary'",
        replace: "'first-unconstrained'",
      },
    ],
  },
  {
    name: 'a feed cursor is only a position',
    breaks: ['I21'],
    edits: [
      { file: 'src/tidemark/operations/feed-cursor.ts', find: 'covered.proof === proof', replace: "proof !== 'none'" },
    ],
  },
  {
    name: 'the archive leaves an event out',
    breaks: ['I11'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-step.ts',
        find: 'if (projection.everyEvent) return { readable: events, lifted: [] };',
        replace:
          'if (projection.everyEvent) return { readable: events.filter((_, index) => events.length < 3 || index !== 1), lifted: [] };',
      },
    ],
  },
  {
    name: 'a batch is sent again after an error that tells nothing',
    breaks: ['I9', 'I10'],
    edits: [
      {
        file: 'src/tidemark/projections/guarded-batch.ts',
        find: 'await database.batch(statements);',
        replace: `await database.batch(statements).catch((error) => {
      if (String(error).includes('SQLITE_')) throw error;
      return database.batch(statements.filter((_, index) => index < pointed.length || index >= ${ROWS_BEGIN}));
    });`,
      },
    ],
  },
  {
    name: 'a replay takes up the dead letter after what waits behind it',
    breaks: ['I17'],
    edits: [
      {
        file: 'src/tidemark/catch-up/catch-up-page.ts',
        find: '{ pageSize }: PageLimits, end: number',
        replace: '{ pageSize, retriesDeadLetters }: PageLimits, end: number',
      },
      {
        file: 'src/tidemark/catch-up/catch-up-page.ts',
        find: 'return events.slice(0, pageSize).filter(({ version }) => version <= end);',
        replace: `const page = events.slice(0, pageSize).filter(({ version }) => version <= end);
  return retriesDeadLetters ? [...page.slice(1), ...page.slice(0, 1)] : page;`,
      },
    ],
  },
  {
    name: 'a replica’s answer is taken for the primary’s',
    breaks: ['I13', 'I14'],
    edits: [
      {
        file: 'src/tidemark/queries/causal-read.ts',
        find: 'if (!first) {',
        replace: 'if (!first || !answer.isPrimary) {',
      },
    ],
  },
  {
    name: 'a token’s entry is dropped though nobody has confirmed it',
    breaks: ['I13', 'I14'],
    edits: [
      {
        file: 'src/tidemark/http/token-header.ts',
        find: 'live.isHeld || live.version < seen.version) return false;',
        replace: 'live.isHeld || live.version < 0 * seen.version) return false;',
      },
    ],
  },
  {
    name: 'a token that is full forgets in silence',
    breaks: ['I13', 'I14'],
    edits: [
      {
        file: 'src/tidemark/http/token-header.ts',
        find: ", ...(token.partialAt !== undefined && { [HEADER.causalScope]: 'partial' })",
        replace: '',
      },
    ],
  },
  {
    name: 'the rows are of an older snapshot than the versions',
    breaks: ['I16'],
    edits: [
      {
        file: 'src/tidemark/queries/guarded-query.ts',
        find: 'const both = await whole.all<RawRow>();',
        replace: 'const data = await whole.all<RawRow>();\n  const both = await whole.all<RawRow>();',
      },
      {
        file: 'src/tidemark/queries/guarded-query.ts',
        find: 'rows.get(false) ?? []',
        replace: "data.results.filter((row) => row['guard.epoch'] === null)",
      },
    ],
  },
  {
    name: 'a row depends on which stream came first',
    breaks: ['I19'],
    edits: [
      {
        file: 'src/tidemark/projections/fold.ts',
        find: 'function nextRow(',
        replace: 'const firsts = new Map();\nfunction nextRow(',
      },
      {
        file: 'src/tidemark/projections/fold.ts',
        find: 'return handler.create(event);',
        replace: `const made = handler.create(event);
  const [column = ''] = Object.keys(made);
  if (!firsts.has(handler)) firsts.set(handler, made[column]);
  return { ...made, [column]: firsts.get(handler) };`,
      },
    ],
  },
];
