import type { Clock } from '../platform/clock.ts';
import { actorText } from '../domain/principal.ts';
import { CodeTooOldError, OutcomeUnknownError, OverloadedError, StorageUnavailableError } from '../platform/faults.ts';
import type { Report } from '../platform/log.ts';
import type { CommandBus, Executed } from './command-bus.ts';

/**
 * A bus that reports each command it runs, for every transport. A line has the command's type, its outcome, its sender, and the ids of its cause.
 * It never has the command's content.
 */
export function reportingBus<Handlers>(
  bus: CommandBus<Handlers>,
  clock: Pick<Clock, 'now'>,
  report: Report,
): CommandBus<Handlers> {
  return {
    types: bus.types,
    async dispatch(command, context) {
      const { correlationId, causationId, principal } = context;
      const startedAt = clock.now();
      const tell = (became: Record<string, string | number>) =>
        report('command', {
          type: command.type,
          ...became,
          durationMs: clock.now() - startedAt,
          actor: actorText(principal),
          correlationId,
          causationId,
        });
      try {
        const result = await bus.dispatch(command, context);
        tell(becomeOf(result));
        return result;
      } catch (error) {
        tell({ outcome: outcomeOf(error) });
        throw error;
      }
    },
  };
}

/** The outcome of a command that an aggregate executed. Any other result is reported as `done`. */
function becomeOf(result: unknown): Record<string, string | number> {
  if (typeof result !== 'object' || result === null || !('outcome' in result)) return { outcome: 'done' };
  const executed = result as Executed;
  const { stream, outcome } = executed;
  switch (executed.outcome) {
    case 'applied':
      return { stream, outcome: executed.replayed ? 'replayed' : outcome, version: executed.version };
    case 'rejected':
      return { stream, outcome, code: executed.rejection.code, version: executed.version };
    case 'version-mismatch':
      return { stream, outcome, version: executed.currentVersion };
    case 'token-ahead':
      return { stream, outcome, version: executed.head };
    case 'key-reused':
    case 'not-applied':
      return { stream, outcome };
    default:
      return executed satisfies never;
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof OutcomeUnknownError) return 'outcome-unknown';
  if (error instanceof OverloadedError) return 'overloaded';
  if (error instanceof CodeTooOldError) return 'code-too-old';
  if (error instanceof StorageUnavailableError) return 'storage-unavailable';
  return 'failed';
}
