import { type History, type IndexedHistory, type Operation, type SeenRow, indexHistory } from './history.ts';
import { checkFeeds } from './feed-checks.ts';
import { checkLogs, checkOutcomes } from './log-checks.ts';
import { type SessionOptions, checkSessions } from './session-checks.ts';
import { gatherSightings } from './sightings.ts';
import { type Report, type Violation, who } from './violation.ts';

/** The checker's options for a domain. Without them it judges neither missing rows nor sums. */
export type CheckOptions = SessionOptions;

/**
 * Judges a history. It reports each contradiction of a promise, and nothing where the client got an explicit error. It knows only the
 * system's contract: versions of streams, tokens, idempotency keys.
 *
 * Like Jepsen's checkers it runs after the end, and judges from the outside. It takes O(n log n) for n operations and their rows. A list or a
 * sum also costs the size of its token's past, or the number of streams.
 *
 *     const violations = checkHistory(history, { belongs });
 *     expect(explain(violations)).toBe('');
 */
export function checkHistory(history: History, { belongs, adds }: CheckOptions = {}): readonly Violation[] {
  const indexed = indexHistory(history);
  const violations: Violation[] = [];
  const report: Report = (check, operations, stream, why) => {
    violations.push({ check, operations: operations.map(({ id }) => id), stream, why });
  };
  const sightings = gatherSightings(indexed);
  const blocks = checkLogs(indexed, report);
  checkOutcomes(indexed, blocks, sightings, report);
  checkContents(indexed, report);
  const feeds = checkFeeds(indexed, report);
  checkSessions({ indexed, blocks, sightings, feeds, report, belongs, adds });
  return violations;
}

/**
 * I1, I16: a version of a stream has one content, in whichever read model it is seen, and by whom. Where a log was set back, as many events
 * as have stood at that version have one each.
 */
function checkContents({ history, branches }: IndexedHistory, report: Report): void {
  const shown = new Map<string, { readonly content: string; readonly operation: Operation }[]>();
  // A read model that had to skip an event has contents of its own.
  const excused = new Set(history.skipped.map(({ readModel, stream }) => `${readModel}/${stream}`));
  for (const operation of history.operations) {
    for (const { stream, version, content } of contentsOf(operation)) {
      const isExcused = operation.kind !== 'command' && excused.has(`${operation.readModel}/${stream}`);
      if (content === null || version === 0 || isExcused) continue;
      const key = `${stream}@${version}`;
      const before = shown.get(key) ?? [];
      if (before.some((each) => each.content === content)) continue;
      const events = new Set(branches.of(stream).flatMap(({ log }) => log[version - 1]?.id ?? []));
      const [first] = before;
      if (!first || before.length < events.size) {
        shown.set(key, [...before, { content, operation }]);
      } else {
        const why = `${key} was ${first.content} for ${who(first.operation)}, and ${content} for ${who(operation)}.`;
        report('one-content', [operation, first.operation], stream, why);
      }
    }
  }
}

function contentsOf(operation: Operation): readonly SeenRow[] {
  if (operation.outcome.kind === 'rows') return operation.outcome.rows;
  return operation.kind === 'read' && operation.outcome.kind === 'resource'
    ? [{ ...operation.outcome, stream: operation.stream }]
    : [];
}
