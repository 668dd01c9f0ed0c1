/** The journal of a client of the process tests, on disk, line by line: what it sent, and the outcome. It outlives the client. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Before a command is sent for the first time. */
export interface Sent {
  readonly kind: 'sent';
  readonly key: string;
  readonly path: string;
  readonly body: object;
  /** The client's knowledge at the request: the version of each product whose price it had seen. */
  readonly seen: Readonly<Record<string, number>>;
}

/** Once there is an answer, good or bad. */
export interface Answered {
  readonly kind: 'answered';
  readonly key: string;
  readonly status: number;
  /** Of the problem, where it is one. */
  readonly code: string | null;
  /** Where it was done. */
  readonly stream: string | null;
  readonly version: number | null;
  /** An earlier try had done it. */
  readonly isReplayed: boolean;
  /** Tries before this one whose outcome the client could not know. */
  readonly unanswered: number;
  readonly token: string | null;
}

/** What a client saw that it must not see. */
export interface Complaint {
  readonly kind: 'complaint';
  readonly text: string;
}

export type Line = Sent | Answered | Complaint;

export function note(journal: string, line: Line): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`);
}

export function readJournal(journal: string): readonly Line[] {
  if (!existsSync(journal)) return [];
  // The text after the last line end is an unfinished line, for example of a killed client.
  const lines = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Removes a line that a killed client left half written. A request that is not in the journal was not sent. */
export function mend(journal: string): void {
  if (!existsSync(journal)) return;
  const text = readFileSync(journal, 'utf8');
  writeFileSync(journal, text.slice(0, text.lastIndexOf('\n') + 1));
}

/** Commands that were sent and have no answer noted, the oldest first. */
export function pendingOf(lines: readonly Line[]): readonly Sent[] {
  const answered = new Set(lines.flatMap((line) => (line.kind === 'answered' ? line.key : [])));
  return lines.filter((line): line is Sent => line.kind === 'sent' && !answered.has(line.key));
}
