/** Bugs as they appear in a history. Each makes one change to a correct history: something that a client could see and that must not happen. */
import type { Acknowledged, History, ListAnswer, LoggedEvent, Operation, ReadAnswer, SumAnswer } from './history.ts';
import type { Chance } from './tiny-shop.ts';

/** Changes the history in place. False: this bug cannot show in this history. */
export type Mutation = (history: History, chance: Chance) => boolean;

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

/** What an operation's token vouches for, once more and naively: follow the tokens back, up to where one was partial. */
function pastOf(
  { operations }: History,
  operation: Operation,
): Record<'everywhere' | 'lookup' | 'report', Map<string, number>> {
  const byId = new Map(operations.map((each) => [each.id, each]));
  const past = {
    everywhere: new Map<string, number>(),
    lookup: new Map<string, number>(),
    report: new Map<string, number>(),
  };
  const raise = (map: Map<string, number>, stream: string, version: number) =>
    map.set(stream, Math.max(map.get(stream) ?? 0, version));
  let isForgotten = false;
  for (let at = byId.get(operation.tokenFrom ?? -1); at; at = byId.get(at.tokenFrom ?? -1)) {
    const { outcome } = at;
    if (outcome.kind === 'acknowledged' && !isForgotten) raise(past.everywhere, outcome.stream, outcome.version);
    if (outcome.kind === 'resource' && at.kind === 'read' && !isForgotten)
      raise(past.everywhere, at.stream, outcome.version);
    if (outcome.kind === 'rows' && at.kind === 'list') {
      for (const { stream, version } of outcome.rows) raise(past[at.readModel as 'lookup'], stream, version);
    }
    isForgotten ||= at.isPartial;
  }
  return past;
}

function owedTo(history: History, operation: Operation & { readonly readModel: string }, stream: string): number {
  const past = pastOf(history, operation);
  return Math.max(past.everywhere.get(stream) ?? 0, past[operation.readModel as 'lookup'].get(stream) ?? 0);
}

/** Tries the operations, beginning anywhere, until one can be changed. */
function someOperation(history: History, chance: Chance, change: (operation: Operation) => boolean): boolean {
  const { operations } = history;
  const from = chance.below(operations.length);
  return [...operations.slice(from), ...operations.slice(0, from)].some(change);
}

function lastEvents(history: History): readonly LoggedEvent[] {
  return Object.values(history.log).flatMap((events) => events.at(-1) ?? []);
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a read answers from before what its token has seen': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'read' || operation.outcome.kind !== 'resource') return false;
      const owed = owedTo(history, operation, operation.stream);
      if (owed === 0) return false;
      Object.assign(operation.outcome, {
        version: owed - 1,
        source: 'read-model',
        content: null,
      } satisfies Partial<ReadAnswer>);
      return true;
    }),

  'a list lacks a row': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'list' || operation.outcome.kind !== 'rows' || operation.query !== 'all') return false;
      const { rows, incomplete } = operation.outcome;
      const owed = rows.find(({ stream }) => !incomplete.includes(stream) && owedTo(history, operation, stream) > 0);
      if (!owed) return false;
      (operation.outcome as Mutable<ListAnswer>).rows = rows.filter((row) => row !== owed);
      return true;
    }),

  'a list has an older row': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'list' || operation.outcome.kind !== 'rows') return false;
      const { rows, incomplete } = operation.outcome;
      const owed = rows.find(({ stream }) => !incomplete.includes(stream) && owedTo(history, operation, stream) > 1);
      if (!owed) return false;
      Object.assign(owed, { version: owedTo(history, operation, owed.stream) - 1, content: null });
      return true;
    }),

  'a list has a row twice': (history, chance) =>
    someOperation(history, chance, ({ outcome }) => {
      if (outcome.kind !== 'rows' || outcome.rows[0] === undefined) return false;
      (outcome as Mutable<ListAnswer>).rows = [...outcome.rows, outcome.rows[0]];
      return true;
    }),

  'a row’s content is from another version': (history, chance) =>
    someOperation(history, chance, ({ outcome, kind }) => {
      if (outcome.kind !== 'resource' || kind !== 'read' || outcome.content === null) return false;
      const isSeenTwice = history.operations.some(
        (other) =>
          other.outcome !== outcome && other.outcome.kind === 'resource' && other.outcome.content === outcome.content,
      );
      if (!isSeenTwice) return false;
      (outcome as Mutable<ReadAnswer>).content = 'something else';
      return true;
    }),

  'a sum counts more than there is': (history, chance) =>
    someOperation(history, chance, ({ outcome }) => {
      if (outcome.kind !== 'figures') return false;
      const all = Object.values(history.log).reduce((sum, events) => sum + events.length, 0);
      (outcome as Mutable<SumAnswer>).figures = { ...outcome.figures, events: String(all + 1) };
      return true;
    }),

  'a sum that only grows falls back': (history, chance) =>
    someOperation(history, chance, (operation) => {
      const before = history.operations.find(({ id }) => id === operation.tokenFrom);
      if (operation.kind !== 'sum' || operation.outcome.kind !== 'figures') return false;
      if (before?.kind !== 'sum' || before.readModel !== operation.readModel || before.outcome.kind !== 'figures')
        return false;
      if (before.outcome.figures['events'] === '0') return false;
      const events = String(BigInt(before.outcome.figures['events'] ?? 0) - 1n);
      (operation.outcome as Mutable<SumAnswer>).figures = { ...operation.outcome.figures, events };
      return true;
    }),

  'an event is appended twice': (history, chance) => {
    const event = chance.of(lastEvents(history));
    if (event === undefined) return false;
    const [stream, events] = Object.entries(history.log).find(([, each]) => each.at(-1) === event) ?? [];
    if (stream === undefined || events === undefined) return false;
    (events as LoggedEvent[]).push({ ...event, version: event.version + 1, id: 'another' });
    return true;
  },

  'an acknowledged event is lost': (history, chance) =>
    someOperation(history, chance, ({ outcome }) => {
      if (outcome.kind !== 'acknowledged') return false;
      const events = history.log[outcome.stream] as LoggedEvent[];
      events.splice(outcome.version - 1);
      return true;
    }),

  'a log has a gap': (history, chance) => {
    const events = chance.of(Object.values(history.log).filter(({ length }) => length > 1)) as
      | LoggedEvent[]
      | undefined;
    events?.splice(chance.below(events.length - 1), 1);
    return events !== undefined;
  },

  'a retry is told another version': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command' || operation.outcome.kind !== 'acknowledged') return false;
      const isReplay = !history.log[operation.outcome.stream]?.some(
        ({ correlationId }) => correlationId === operation.correlationId,
      );
      if (!isReplay) return false;
      (operation.outcome as Mutable<Acknowledged>).version += 1;
      return true;
    }),

  'a retry of what was acknowledged is refused': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command' || operation.outcome.kind !== 'acknowledged') return false;
      const { stream } = operation.outcome;
      const { key } = operation.idempotency ?? {};
      const isReplay = !history.log[stream]?.some(({ correlationId }) => correlationId === operation.correlationId);
      const isKnown = history.operations.some(
        (other) =>
          other.kind === 'command' &&
          other.idempotency?.key === key &&
          other.outcome.kind === 'acknowledged' &&
          (other.completedAt ?? Infinity) < operation.invokedAt,
      );
      if (!isReplay || !isKnown) return false;
      (operation as Mutable<Operation>).outcome = { kind: 'refused', code: 'wrong-state', currentVersion: null };
      return true;
    }),

  'a refused command is in the log all the same': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command' || operation.outcome.kind !== 'refused' || operation.stream === null)
        return false;
      const events = history.log[operation.stream] as LoggedEvent[] | undefined;
      const { version = 0, recordedAt = '' } = events?.at(-1) ?? {};
      events?.push({
        id: 'another',
        version: version + 1,
        correlationId: operation.correlationId,
        recordedAt,
        saw: {},
      });
      return events !== undefined;
    }),

  'an expected version is ignored': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command' || operation.outcome.kind !== 'acknowledged') return false;
      const isOwn = history.log[operation.outcome.stream]?.some(
        ({ correlationId }) => correlationId === operation.correlationId,
      );
      if (operation.expectedVersion === null || !isOwn) return false;
      (operation as Mutable<typeof operation>).expectedVersion = operation.expectedVersion + 1;
      return true;
    }),

  'a command is decided upon an older state than its token has seen': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command') return false;
      const seen = pastOf(history, operation).everywhere.get('product-1') ?? 0;
      const event = Object.values(history.log)
        .flat()
        .find(({ correlationId, saw }) => correlationId === operation.correlationId && 'product-1' in saw);
      if (!event || seen === 0) return false;
      (event as Mutable<LoggedEvent>).saw = { 'product-1': seen - 1 };
      return true;
    }),

  'a read sees an event that no command has written': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'read' || operation.outcome.kind !== 'resource') return false;
      const version = (history.log[operation.stream]?.length ?? 0) + 1;
      Object.assign(operation.outcome, { version, content: null });
      return true;
    }),

  'a command overtakes one that was acknowledged before it was sent': (history, chance) =>
    someOperation(history, chance, (operation) => {
      if (operation.kind !== 'command' || operation.outcome.kind !== 'acknowledged') return false;
      const events = history.log[operation.outcome.stream] as Mutable<LoggedEvent>[];
      const [mine, next] = [events[operation.outcome.version - 1], events[operation.outcome.version]];
      if (mine?.correlationId !== operation.correlationId || !next) return false;
      const other = history.operations.find(
        (each) => each.kind === 'command' && each.correlationId === next.correlationId,
      );
      if (other?.outcome.kind !== 'acknowledged' || other.invokedAt < (operation.completedAt ?? Infinity)) return false;
      [mine.correlationId, next.correlationId] = [next.correlationId, mine.correlationId];
      (operation.outcome as Mutable<Acknowledged>).version += 1;
      (other.outcome as Mutable<Acknowledged>).version -= 1;
      return true;
    }),
};
