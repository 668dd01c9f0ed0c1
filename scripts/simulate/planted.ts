import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** A defect that is put into the source on its way to the simulation, and never into what is shipped. */
export interface PlantedBug {
  readonly name: string;
  /** The invariant that it breaks. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

const READ = 'src/eventsourcing/read';
const WRITE = 'src/eventsourcing/write';

/** Every one has to be caught: a simulation that misses one proves nothing about it. */
export const PLANTED: readonly PlantedBug[] = [
  {
    name: 'an object appends twice for one key',
    breaks: 'I3',
    edits: [
      {
        file: `${WRITE}/aggregate.ts`,
        find: 'if (request.idempotency) {',
        replace: 'if (Math.abs(0) > 1 && request.idempotency) {',
      },
    ],
  },
  {
    name: 'a key does not decide the id of what it creates',
    breaks: 'I3',
    edits: [
      {
        file: 'src/http/command-route.ts',
        find: 'idempotency ? nameBasedUuid(idempotency.key, KEY_NAMESPACE) : runtime.clock.newId()',
        replace: 'idempotency && nameBasedUuid.length > 99 ? KEY_NAMESPACE : runtime.clock.newId()',
      },
    ],
  },
  {
    name: 'an expected version is ignored',
    breaks: 'I5',
    edits: [
      {
        file: `${WRITE}/aggregate.ts`,
        find: 'request.expectedVersion !== undefined && request.expectedVersion !== version;',
        replace: 'false as boolean;',
      },
    ],
  },
  {
    name: 'a cold object answers from its snapshot alone',
    breaks: 'I1',
    edits: [
      {
        file: `${WRITE}/aggregate.ts`,
        find: 'folded = fold(type, start, Number.POSITIVE_INFINITY);',
        replace: 'folded = usable ? start : fold(type, start, Number.POSITIVE_INFINITY);',
      },
    ],
  },
  {
    name: 'a second try that was turned away speaks for the first',
    breaks: 'I4',
    edits: [
      {
        file: `${WRITE}/aggregates.ts`,
        find: 'const isFirst = tries === 1;',
        replace: 'const isFirst = tries > 0;',
      },
    ],
  },
  {
    name: 'the delivery check is skipped',
    breaks: 'I7, I18',
    edits: [
      {
        file: `${WRITE}/relay.ts`,
        find: 'const lagging = [...reached].filter(([, at]) => at < check.version);',
        replace: 'const lagging = [...reached].filter(([, at]) => at < 0 * check.version);',
      },
    ],
  },
  {
    name: 'the alarm is not set again',
    breaks: 'I7',
    edits: [
      { file: `${WRITE}/relay.ts`, find: 'if (next !== undefined) setAlarm(next);', replace: 'void next;' },
      {
        file: `${WRITE}/relay.ts`,
        find: 'const next = nextDue();\n        if (next !== undefined) armNoLaterThan(next);\n        else if',
        replace: 'if',
      },
    ],
  },
  {
    name: 'a checkpoint is a maximum',
    breaks: 'I9',
    edits: [
      { file: `${READ}/hinted-events.ts`, find: 'if (hint.fromVersion > version + 1) break;', replace: '' },
      { file: `${READ}/hinted-events.ts`, find: 'if ((before ?? null) !== eventId) break;', replace: 'void before;' },
    ],
  },
  {
    name: 'the compare-and-set is dropped',
    breaks: 'I9, I10',
    edits: [{ file: `${READ}/guarded-batch.ts`, find: 'assertCheckpoints(database, part),', replace: '' }],
  },
  {
    name: 'rows are sent in a batch after their checkpoint',
    breaks: 'I8',
    edits: [
      {
        file: `${READ}/guarded-batch.ts`,
        find: 'await database.batch(statements);',
        replace:
          'await database.batch(statements.slice(0, 3));\n    if (statements.length > 3) await database.batch(statements.slice(3));',
      },
    ],
  },
  {
    name: 'a poison event is passed over',
    breaks: 'I11, I17',
    edits: [
      {
        file: `${READ}/catch-up-step.ts`,
        find: "standstill: { cause: 'poison', reason: error.message },\n      refusal: { stream, version, eventId, cause: 'poison', kind: error.kind, error: error.message },",
        replace:
          "...(eventId === '' && { standstill: { cause: 'poison', reason: error.message } }), ...toMove(stream, from, readable, fold(before)),",
      },
    ],
  },
  {
    name: 'an outage of the database counts as poison',
    breaks: 'I17',
    edits: [
      {
        file: `${READ}/d1-errors.ts`,
        find: 'return REFUSED.test(String(error));',
        replace: "return REFUSED.test(String(error)) || String(error).includes('D1_ERROR');",
      },
    ],
  },
  {
    name: 'the reader does not catch up',
    breaks: 'I13',
    edits: [
      {
        file: `${READ}/causal-read.ts`,
        find: '(answer.versions.get(entry) ?? 0) < version && !incomplete.has(entry)',
        replace: '(answer.versions.get(entry) ?? 0) < 0 * version && !incomplete.has(entry)',
      },
    ],
  },
  {
    name: 'what was written is not put into the token',
    breaks: 'I13',
    edits: [
      {
        file: 'src/http/causal.ts',
        find: 'see(stream, version) {\n        token = withVersion(token, stream, version);',
        replace: 'see(stream, version) {\n        void [stream, version];',
      },
    ],
  },
  {
    name: 'what was read is not put into the token',
    breaks: 'I14',
    edits: [
      {
        file: 'src/http/causal.ts',
        find: 'if (version > 0) token = withVersion(token, stream, version);',
        replace: 'void version;',
      },
    ],
  },
  {
    name: 'any replica may answer, whatever the bookmark',
    breaks: 'I14',
    edits: [
      {
        file: `${READ}/causal-read.ts`,
        find: "token.bookmarks.get(projection.group.name) ?? 'first-primary'",
        replace: "'first-unconstrained'",
      },
    ],
  },
  {
    name: 'a command does not look at what its sender has seen',
    breaks: 'I15',
    edits: [
      {
        file: 'src/products/price-list.ts',
        find: "return seen !== 'unknown' && version >= seen;",
        replace: "return seen !== 'unknown' && version >= 0 * seen;",
      },
      {
        file: 'src/products/price-list.ts',
        find: "if (seen !== 'unknown' && seen > version) {",
        replace: "if (seen !== 'unknown' && seen * 0 > version) {",
      },
    ],
  },
  {
    name: 'a swap without its guards',
    breaks: 'I12, I20',
    edits: [
      {
        file: `${READ}/pointer-change.ts`,
        find: '...(isFirst ? [] : [assertNotBehind(database, build.projection, live, build.target)]),',
        replace: '',
      },
      { file: `${READ}/rebuild.ts`, find: "await run('join', () => work.join());", replace: '' },
      { file: `${READ}/rebuild.ts`, find: "await closeGap('what came before the join');", replace: '' },
    ],
  },
  {
    name: 'an alarm goes off before its check is due',
    breaks: 'I7',
    edits: [
      {
        file: `${WRITE}/relay.ts`,
        find: 'return Math.ceil(Math.min(firstBackoffMs * 2 ** (attempt - 1), maxBackoffMs) * (0.5 + clock.random() / 2));',
        replace: 'return Math.min(firstBackoffMs * 2 ** (attempt - 1), maxBackoffMs) * (0.5 + clock.random() / 2);',
      },
    ],
  },
  {
    name: 'a batch does not name its epoch',
    breaks: 'I20',
    edits: [
      {
        file: `${READ}/guarded-batch.ts`,
        find: 'assertEpoch(database, projectionName, pointer),\n      ...parts',
        replace: '...parts',
      },
    ],
  },
  {
    name: 'the archive takes events twice',
    breaks: 'I10, I11',
    edits: [
      {
        file: `${READ}/catch-up-step.ts`,
        find: 'if (projection.everyEvent) readable.push(...events);',
        replace:
          'if (projection.everyEvent) readable.push(...events.filter((_, index) => events.length < 3 || index !== 1));',
      },
    ],
  },
];

/** Puts one planted bug into the source as it is loaded. */
export function planting(name: string) {
  const bug = PLANTED.find((candidate) => candidate.name === name);
  if (!bug) throw new Error(`there is no planted bug "${name}"`);
  return edited(bug.edits);
}

/** Changes the source as it is loaded, for the simulation alone. Fails where the source has changed under it. */
export function edited(edits: readonly Edit[]) {
  for (const { file, find } of edits) {
    const found = readFileSync(resolve(file), 'utf8').split(find).length - 1;
    if (found !== 1) throw new Error(`${file} has ${found} times what is to be replaced: ${find}`);
  }
  return {
    name: 'edited-source',
    enforce: 'pre' as const,
    transform(code: string, id: string): string | undefined {
      const its = edits.filter(({ file }) => id.split('?')[0] === resolve(file));
      return its.length === 0
        ? undefined
        : its.reduce((source, { find, replace }) => source.replace(find, () => replace), code);
    },
  };
}
