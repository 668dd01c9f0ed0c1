import { inspect } from 'node:util';

type Columns = Readonly<Record<string, unknown>>;

/** The differences between a build and the live slot. */
export interface Differences {
  readonly isEqual: boolean;
  readonly differing: number;
  /** Streams that an open dead letter holds. Neither side goes beyond it. */
  readonly held: number;
  /** The held streams whose log was restored to an earlier time. Absent in comparisons of an earlier release. */
  readonly restored?: number;
  readonly tables: readonly {
    readonly table: string;
    /** Rows; null: the revision has no such table. */
    readonly live: number | null;
    readonly build: number | null;
    readonly differing: number;
    readonly columnsOnlyInLive: readonly string[];
    readonly columnsOnlyInBuild: readonly string[];
  }[];
  /** The first differing rows, with the columns that differ. Null: that side has no such row. */
  readonly first: readonly {
    readonly table: string;
    readonly key: Columns;
    readonly live: Columns | null;
    readonly build: Columns | null;
  }[];
}

const count = new Intl.NumberFormat('en');

/** The differences in lines for a terminal: every table with its counts, then the first rows. */
export function describeDifferences({ differing, tables, first }: Differences): readonly string[] {
  const widest = Math.max(...tables.map(({ table }) => table.length), 5);
  const line = (table: string, live: string, build: string, differ: string) =>
    `  ${table.padEnd(widest)} ${live.padStart(12)} ${build.padStart(12)} ${differ.padStart(12)}`;
  const rows = (number: number | null) => (number === null ? 'no table' : count.format(number));
  const more = differing - first.length;
  return [
    line('table', 'live', 'build', 'differing'),
    ...tables.map(({ table, live, build, differing: differ }) => line(table, rows(live), rows(build), rows(differ))),
    ...tables.flatMap(({ table, columnsOnlyInLive, columnsOnlyInBuild }) => [
      ...(columnsOnlyInLive.length > 0 ? [`  ${table}: only live has ${columnsOnlyInLive.join(', ')}`] : []),
      ...(columnsOnlyInBuild.length > 0 ? [`  ${table}: only the build has ${columnsOnlyInBuild.join(', ')}`] : []),
    ]),
    ...first.flatMap((difference) => ['', ...describeRow(difference)]),
    ...(first.length > 0 && more > 0 ? ['', `  and ${count.format(more)} more`] : []),
  ];
}

/** The streams that a comparison left out, in lines for a terminal. */
export function describeHeld({ held, restored = 0 }: Differences, projection: string): readonly string[] {
  if (held === 0) return [];
  const streams = held === 1 ? 'One stream is held' : `${count.format(held)} streams are held`;
  return [
    `${streams} by an open dead letter. Repair the cause, then replay or skip it:`,
    `  GET /projections/${projection}/dead-letters`,
    ...(restored > 0
      ? [
          `The log of ${count.format(restored)} of these was restored to an earlier time. To rebuild from the log as it is:`,
          `  npm run rebuild -- ${projection} --accept`,
        ]
      : []),
  ];
}

function describeRow({ table, key, live, build }: Differences['first'][number]): readonly string[] {
  const keys = Object.entries(key).map(([column, value]) => `${column} ${show(value)}`);
  const head = `  ${table}, ${keys.join(', ')}`;
  if (!live || !build) {
    const row = live ?? build ?? {};
    return [
      `${head}: only ${live ? 'live has' : 'the build has'} this row`,
      ...Object.entries(row).map(([column, value]) => `    ${column}: ${show(value)}`),
    ];
  }
  const columns = [...new Set([...Object.keys(live), ...Object.keys(build)])];
  return [head, ...columns.map((column) => `    ${column}: live ${show(live[column])}, build ${show(build[column])}`)];
}

function show(value: unknown): string {
  return inspect(value, { breakLength: Infinity });
}

/** The number of compared rows, for a sentence. */
export function rowsOf({ tables }: Differences): string {
  const rows = tables.reduce((sum, { live }) => sum + (live ?? 0), 0);
  return `${count.format(rows)} rows in ${tables.length} ${tables.length === 1 ? 'table' : 'tables'}`;
}
