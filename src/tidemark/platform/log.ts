/** Reports what happened as one line of the log: an event's name and a few details. */
export type Report = (event: string, details: Readonly<Record<string, string | number>>) => void;

/** Writes one line of structured JSON. Never log a body, a token or a secret: details are names, numbers and ids. */
export function log(event: string, details: Readonly<Record<string, string | number | boolean>> = {}): void {
  // In a Worker, the console is the log. The platform keeps its lines as structured JSON.
  console.log(JSON.stringify({ event, ...details }));
}
