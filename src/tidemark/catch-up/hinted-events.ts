import type { StoredEvent } from '../domain/event.ts';
import type { Hint } from '../write/message.ts';
import type { Position } from '../projections/checkpoint.ts';

/**
 * The events right after a position, from hints that continue it. Each hint must name the id of the event before its first: so both belong to one
 * history. Undefined if the hints do not reach back to the position. Then the log has to be read.
 */
export function eventsFromHints(
  hints: readonly Hint[],
  after: Pick<Position, 'version' | 'eventId'>,
): readonly StoredEvent[] | undefined {
  const found: StoredEvent[] = [];
  let { version, eventId } = after;
  for (const hint of hints.toSorted((one, other) => one.fromVersion - other.fromVersion)) {
    if (!hint.events || hint.toVersion <= version) continue;
    if (hint.fromVersion > version + 1) break;
    const before =
      hint.fromVersion === version + 1 ? hint.previousId : hint.events.find((event) => event.version === version)?.id;
    if ((before ?? null) !== eventId) break;
    const next = hint.events.filter((event) => event.version > version);
    found.push(...next);
    version = hint.toVersion;
    eventId = next.at(-1)?.id ?? eventId;
  }
  return found.length > 0 ? found : undefined;
}
