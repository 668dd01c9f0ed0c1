import type { PlantedBug } from './planted.ts';

/** Delays a step of the object. If the object dies meanwhile, the step is lost. */
const SLEEP_IN_OBJECT = {
  file: 'src/tidemark/write/aggregate-object.ts',
  find: "import type { StreamId } from '../domain/stream.ts';",
  replace: "import type { StreamId } from '../domain/stream.ts';\nimport { sleep } from '../platform/timeout.ts';",
};

const SLEEP_IN_LOG = { ...SLEEP_IN_OBJECT, file: 'src/tidemark/write/event-log.ts' };

/** Bugs of commands, of the log and of the relay. */
export const PLANTED_IN_WRITES: readonly PlantedBug[] = [
  {
    name: 'a cold object answers from its snapshot alone',
    breaks: ['I1'],
    edits: [
      {
        file: 'src/tidemark/write/aggregate.ts',
        find: 'folded = fold(type, start, Number.POSITIVE_INFINITY);',
        replace: 'folded = usable ? start : fold(type, start, Number.POSITIVE_INFINITY);',
      },
    ],
  },
  {
    name: 'an object appends twice for one key',
    breaks: ['I3'],
    edits: [
      {
        file: 'src/tidemark/write/aggregate.ts',
        find: 'const before = request.idempotency && appliedBefore(request.idempotency);',
        replace:
          'const before = Math.abs(0) > 1 ? request.idempotency && appliedBefore(request.idempotency) : undefined;',
      },
    ],
  },
  {
    name: 'a key does not decide the id of what it creates',
    breaks: ['I3'],
    edits: [
      {
        file: 'src/tidemark/http/command-route.ts',
        find: 'idempotency ? nameBasedUuid(idempotency.key, KEY_NAMESPACE) : runtime.clock.newId()',
        replace: 'idempotency && nameBasedUuid.length > 99 ? KEY_NAMESPACE : runtime.clock.newId()',
      },
    ],
  },
  {
    name: 'a second try that was turned away speaks for the first',
    breaks: ['I4'],
    edits: [
      {
        file: 'src/tidemark/write/aggregates.ts',
        find: "if (judgement.means === 'unknown') lost ??= fault;",
        replace: "lost = judgement.means === 'unknown' ? fault : undefined;",
      },
    ],
  },
  {
    name: 'an object that was reset after its commit did nothing',
    breaks: ['I4'],
    edits: [
      {
        file: 'src/tidemark/write/runtime-errors.ts',
        find: "is: ({ overloaded, durableObjectReset }) => overloaded && durableObjectReset,\n    means: 'unknown',",
        replace:
          "is: ({ overloaded, durableObjectReset }) => overloaded && durableObjectReset,\n    means: 'nothing-done',",
      },
    ],
  },
  {
    name: 'a keyed command that decided nothing is forgotten',
    breaks: ['I3'],
    edits: [
      {
        file: 'src/tidemark/write/aggregate.ts',
        find: 'if (idempotency && version > 0) {',
        replace: 'if (idempotency && version < 0) {',
      },
    ],
  },
  {
    name: 'an expected version is ignored',
    breaks: ['I5'],
    edits: [
      {
        file: 'src/tidemark/write/aggregate.ts',
        find: 'request.expectedVersion !== undefined && request.expectedVersion !== version;',
        replace: 'false as boolean;',
      },
    ],
  },
  {
    name: 'the delivery check is skipped',
    breaks: ['I7', 'I18'],
    edits: [
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'at.version < head || contradicting.has(at)',
        replace: 'at.version < 0 * head && contradicting.has(at)',
      },
    ],
  },
  {
    name: 'the alarm is not set again',
    breaks: ['I7'],
    edits: [
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'if (isRetry || !isDue) keepArmed(delivery);\n    return isDue ? check : undefined;',
        replace: 'return isDue ? check : undefined;',
      },
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'if (delivery) keepArmed(delivery);\n      } catch',
        replace: 'if (delivery && !delivery.check) keepArmed(delivery);\n      } catch',
      },
    ],
  },
  {
    name: 'a command does not look at what its sender has seen',
    breaks: ['I15'],
    edits: [
      {
        file: 'src/tidemark/authoring/state-lookup.ts',
        find: "if (seen === 'unknown' || version < seen.version) return false;",
        replace: "if (seen === 'unknown' || version < 0 * seen.version) return false;",
      },
      // By itself this breaks nothing. A client hardly ever reads, or changes, what it has just looked up within one second.
      {
        file: 'src/tidemark/authoring/state-lookup.ts',
        find: 'const FRESH_MS = 1_000;',
        replace: 'const FRESH_MS = 60_000;',
      },
    ],
  },
  {
    name: 'time goes back in a log',
    breaks: ['I1'],
    edits: [
      {
        file: 'src/tidemark/write/aggregate.ts',
        find: 'const recordedAt = now > earliest ? now : earliest;',
        replace: 'const recordedAt = now.length < earliest.length ? earliest : now;',
      },
    ],
  },
  {
    name: 'a command is acknowledged before it is stored',
    breaks: ['I2'],
    edits: [
      SLEEP_IN_OBJECT,
      {
        file: 'src/tidemark/write/aggregate-object.ts',
        find: 'const storage = sqliteEventLog(ctx.storage, host.eventLogOptions);',
        replace: `const kept = sqliteEventLog(ctx.storage, host.eventLogOptions);
      const storage = { ...kept, commit: (commit) => void sleep(50).then(() => kept.commit(commit)) };`,
      },
    ],
  },
  {
    // The answer does not wait for the message: in the simulation, no call may wait for messages that its object sends.
    name: 'an event is published before it is committed',
    breaks: ['I6'],
    edits: [
      SLEEP_IN_OBJECT,
      {
        file: 'src/tidemark/write/aggregate-object.ts',
        find: 'const storage = sqliteEventLog(ctx.storage, host.eventLogOptions);',
        replace: `const kept = sqliteEventLog(ctx.storage, host.eventLogOptions);
      const uncommitted = [];
      this.publishFirst = async () => {
        for (const commit of uncommitted.splice(0)) {
          const { stream, events } = commit;
          const [fromVersion, toVersion] = [events[0].version, events.at(-1).version];
          const previousId = kept.read(fromVersion - 1, 1)[0]?.id ?? null;
          const hint = { stream, fromVersion, toVersion, previousId, events };
          await host.send(host.groupsOf(stream)[0], { sender: 'relay', hints: [hint] }).catch(() => undefined);
          await sleep(50);
          kept.commit(commit);
        }
      };
      const storage = { ...kept, commit: (commit) => uncommitted.push(commit) };`,
      },
      {
        file: 'src/tidemark/write/aggregate-object.ts',
        find: 'return this.#aggregate.execute(request);',
        replace: `const result = this.#aggregate.execute(request);
      this.ctx.waitUntil(this.publishFirst());
      return result;`,
      },
    ],
  },
  {
    name: 'the key is remembered after the commit, not with it',
    breaks: ['I3', 'I6'],
    edits: [
      SLEEP_IN_LOG,
      {
        file: 'src/tidemark/write/event-log.ts',
        find: '{ ...event.metadata, idempotency: markOf(remember) }',
        replace: 'event.metadata',
      },
      {
        file: 'src/tidemark/write/event-log.ts',
        find: 'if (remember && last && last.version <= VERSIONS_READ) firstKeys?.set(remember.key, remember);',
        replace: `if (remember && last)
        void sleep(50).then(() => {
          const mark = JSON.stringify(markOf(remember));
          sql.exec("UPDATE event SET metadata = json_set(metadata, '$.idempotency', json(?)) WHERE version = ?", mark, last.version);
          firstKeys = undefined;
        });`,
      },
    ],
  },
  {
    name: 'the alarm is armed after the commit, not with it',
    breaks: ['I6', 'I7'],
    edits: [
      SLEEP_IN_LOG,
      {
        file: 'src/tidemark/write/event-log.ts',
        find: 'commit.armAlarm();',
        replace: 'void sleep(50).then(() => commit.armAlarm());',
      },
    ],
  },
  {
    // The mark alone would only delay the event, since the delivery check asks the databases. So the check trusts the mark.
    name: 'an event is marked as published before it is sent',
    breaks: ['I7', 'I18'],
    edits: [
      {
        file: 'src/tidemark/write/relay.ts',
        find: `await withTimeout(send(entry, { sender: 'relay', hints: [hint] }), timeoutMs);
          its.published = Math.max(its.published, hint.toVersion);`,
        replace: `its.published = Math.max(its.published, hint.toVersion);
          its.isBelieved = true;
          await withTimeout(send(entry, { sender: 'relay', hints: [hint] }), timeoutMs);`,
      },
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'await withTimeout(versionsReached(',
        replace:
          'await withTimeout(its.isBelieved && its.published === version && group === its.groups[0] ? Promise.resolve(new Map()) : versionsReached(',
      },
    ],
  },
  {
    name: 'the alarm is overwritten by its own handler',
    breaks: ['I7', 'I18'],
    edits: [
      {
        file: 'src/tidemark/write/relay.ts',
        find: 'unconfirmed = behind(version)',
        replace: 'unconfirmed = behind(due.version)',
      },
      { file: 'src/tidemark/write/relay.ts', find: 'if (its.version > version) return;', replace: '' },
    ],
  },
];
