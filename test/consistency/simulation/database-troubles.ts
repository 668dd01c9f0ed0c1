import type { Group } from '../../../src/tidemark/platform/group.ts';
import { type StreamId, idOf } from '../../../src/tidemark/domain/stream.ts';
import type { Statement } from './databases.ts';

/** The parts of a projection whose tables can fail. */
export interface ProjectionTables {
  readonly name: string;
  readonly group: Group;
  /** Of the streams that it follows. */
  readonly categories: readonly string[];
  /** Of both slots. */
  readonly tables: readonly string[];
}

/** The fault of the tables of a projection. */
interface Trouble {
  readonly of: ProjectionTables;
  /** The stream whose rows alone are refused; undefined: all rows. */
  readonly stream?: StreamId;
  readonly error: string;
}

const FULL = 'D1_ERROR: database or disk is full: SQLITE_FULL';
/** As a broken trigger says it. */
const AT_ONE_STREAM = 'D1_ERROR: malformed JSON: SQLITE_ERROR';
const AT_EVERY_STREAM = [
  (table: string) => `D1_ERROR: no such table: ${table}: SQLITE_ERROR`,
  () => 'D1_ERROR: database disk image is malformed: SQLITE_CORRUPT_VTAB',
];
export const WRITES = /^\s*(INSERT|UPDATE|DELETE|REPLACE)\b/i;

/** What databases refuse at the moment that is not an outage: they are full, or some of their tables are damaged. Reads work. */
export class DatabaseTroubles {
  readonly #full = new Set<Group>();
  readonly #damaged = new Map<string, Trouble>();
  /** `<projection>/<stream>` of streams that were refused by themselves at any time; `<projection>` where every stream was. */
  readonly #struck = new Set<string>();

  /** A full database has room again; any other is full now. */
  toggleFull(group: Group): void {
    if (!this.#full.delete(group)) this.#full.add(group);
  }

  /** A damaged projection is whole again; any other is damaged now: for one stream alone, or for all. */
  toggleDamage(of: ProjectionTables, stream: StreamId | undefined, which: number): void {
    if (this.#damaged.delete(of.name)) return;
    const wording = AT_EVERY_STREAM[which % AT_EVERY_STREAM.length] as (table: string) => string;
    const error = stream === undefined ? wording(of.tables[0] ?? '') : AT_ONE_STREAM;
    this.#damaged.set(of.name, { of, error, ...(stream !== undefined && { stream }) });
  }

  /** The operator makes room in every database. */
  makeRoom(): void {
    this.#full.clear();
  }

  /** Repairs the tables that are damaged for all streams. Tables that refuse one stream stay damaged. */
  mendProjections(): void {
    for (const [name, { stream }] of this.#damaged) if (stream === undefined) this.#damaged.delete(name);
  }

  mend(): void {
    this.#damaged.clear();
  }

  /** The names of those whose tables are damaged. */
  get projections(): readonly string[] {
    return [...this.#damaged.keys()];
  }

  /** Whether the tables of this projection ever refused every stream. */
  hasStruckAll(projection: string): boolean {
    return this.#struck.has(projection);
  }

  /** Whether this stream, and no other, was ever refused by the tables of this projection. */
  hasStruck(projection: string, stream: string): boolean {
    return this.#struck.has(`${projection}/${stream}`);
  }

  /** Why the database refuses these statements, and what it counts as; undefined: it does not. */
  refusalOf(
    group: Group,
    statements: readonly Statement[],
  ): { readonly kind: string; readonly error: string } | undefined {
    const writes = statements.filter(({ sql }) => WRITES.test(sql));
    if (writes.length > 0 && this.#full.has(group)) return { kind: 'a full database refused a write', error: FULL };
    for (const { of, stream, error } of this.#damaged.values()) {
      if (of.group !== group || !writes.some((write) => isHit(write, of.tables, stream))) continue;
      this.#struck.add(stream === undefined ? of.name : `${of.name}/${stream}`);
      return { kind: `an SQL error at ${stream === undefined ? 'every' : 'one'} stream`, error };
    }
    return undefined;
  }
}

function isHit({ sql, values }: Statement, tables: readonly string[], stream: StreamId | undefined): boolean {
  if (!tables.some((table) => sql.includes(`"${table}"`))) return false;
  if (stream === undefined) return true;
  // Rows are arrays, whose first column says of which stream they are. Elsewhere in them other streams may be named.
  const starts = [idOf(stream), stream].map((key) => `["${key}"`);
  return values.some((value) => typeof value === 'string' && starts.some((start) => value.includes(start)));
}
