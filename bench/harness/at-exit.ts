const actions = new Set<() => void>();

process.once('exit', () => {
  for (const action of actions) action();
});
// Without these an interrupted run would leave its servers and their storage behind.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

/** Has something done when this process ends, however it ends. Returns what takes that back. */
export function atExit(action: () => void): () => void {
  actions.add(action);
  return () => {
    actions.delete(action);
  };
}
