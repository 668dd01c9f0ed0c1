import { sleep } from '../platform/timeout.ts';
import type { LogPage } from '../write/aggregate.ts';
import { isInternalError, kindOfD1Error } from '../projections/d1-errors.ts';
import type { SystemContext } from '../projections/system-context.ts';

/** Pages of logs that are kept for the other catch-ups: few enough that they fit into memory, whatever their size. */
const KEPT_PAGES = 64;

/** Statements in one joint batch. The batches that do not fit form further joint batches. */
const MAX_JOINT_STATEMENTS = 120;

type Calls = Pick<SystemContext, 'aggregates' | 'databaseOf'>;

/**
 * The calls for the catch-ups of the projections of one group, which one consumer runs side by side. Projections that stand at the same event ask
 * for the same pages, and send their batches at the same moment. So each page of a log is read once, and batches that come together are sent as one.
 *
 * No catch-up depends on another one. If a joint batch fails, each of its batches is sent alone, and gets its own answer.
 */
export function sharingCalls({ aggregates, databaseOf }: Calls): Calls {
  const databases = new Map<D1Database, D1Database>();
  return {
    aggregates: { ...aggregates, load: sharedLoad(aggregates.load) },
    databaseOf(group) {
      const real = databaseOf(group);
      const shared = databases.get(real) ?? jointBatches(real);
      databases.set(real, shared);
      return shared;
    },
  };
}

type Load = Calls['aggregates']['load'];

/** Asks for a page once, and gives it to all that ask for the same page meanwhile or soon after. */
function sharedLoad(load: Load): Load {
  const pages = new Map<string, Promise<LogPage>>();
  return (stream, fromVersion, limit) => {
    const name = `${stream} ${fromVersion} ${limit}`;
    const known = pages.get(name);
    if (known) return known;
    const page = load(stream, fromVersion, limit);
    pages.set(name, page);
    // A log that failed may answer the next one that asks.
    page.catch(() => pages.delete(name));
    const [oldest] = pages.keys();
    if (pages.size > KEPT_PAGES && oldest !== undefined) pages.delete(oldest);
    return page;
  };
}

interface Waiting {
  readonly statements: D1PreparedStatement[];
  readonly resolve: (results: D1Result[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A database that sends the batches of one moment together. All other calls go through as they are. */
function jointBatches(database: D1Database): D1Database {
  let waiting: Waiting[] = [];

  async function sendAll(): Promise<void> {
    // The catch-ups that wait for the same answer go on in the same moment, and all of them come first.
    await sleep(0);
    const batches = waiting;
    waiting = [];
    await Promise.all(joints(batches).map((joint) => send(database, joint)));
  }

  function batch(statements: D1PreparedStatement[]): Promise<D1Result[]> {
    const { promise, resolve, reject } = Promise.withResolvers<D1Result[]>();
    waiting.push({ statements, resolve, reject });
    if (waiting.length === 1) void sendAll();
    return promise;
  }

  return new Proxy(database, {
    get(target, property) {
      if (property === 'batch') return batch;
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Puts batches together, up to the bound. */
function joints(batches: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const found: Waiting[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const waiting of batches) {
    if (length + waiting.statements.length > MAX_JOINT_STATEMENTS) {
      found.push([]);
      length = 0;
    }
    found.at(-1)?.push(waiting);
    length += waiting.statements.length;
  }
  return found;
}

async function send(database: D1Database, joint: readonly Waiting[]): Promise<void> {
  const [first, ...others] = joint;
  if (!first) return;
  if (others.length === 0) return sendAlone(database, first);
  try {
    const results = await database.batch(joint.flatMap(({ statements }) => statements));
    let at = 0;
    for (const { statements, resolve } of joint) {
      resolve(results.slice(at, at + statements.length));
      at += statements.length;
    }
  } catch (error) {
    const kind = kindOfD1Error(error);
    // The database was away, or takes nothing: each batch alone would get the same answer. An internal error may be the fault of one projection's tables.
    const isOfAll = (kind === 'transient' && !isInternalError(error)) || kind === 'storage';
    if (isOfAll) for (const { reject } of joint) reject(error);
    else for (const waiting of joint) await sendAlone(database, waiting);
  }
}

async function sendAlone(database: D1Database, { statements, resolve, reject }: Waiting): Promise<void> {
  try {
    resolve(await database.batch(statements));
  } catch (error) {
    reject(error);
  }
}
