import type { AggregateNames } from '../names.ts';

/** `src/tickets/ticket.ts`: events, commands, state, decisions and refusals. */
export function aggregateFile({ one, type, aOne }: AggregateNames): string {
  return `
import * as z from 'zod/mini';

import {
  type CommandOf,
  type Decision,
  type EventOf,
  type RecordedEvent,
  type Rejection,
  aggregate,
  commands,
  events,
  text,
} from '#tidemark';

const ${one}Events = events({
  ${type}Opened: { title: z.string() },
  ${type}Closed: { reason: z.string() },
});
export type ${type}Event = EventOf<typeof ${one}Events>;

const ${one}Commands = commands('${one}Id', {
  Open${type}: { title: text(200) },
  Close${type}: { reason: text(500) },
});
export type ${type}Command = CommandOf<typeof ${one}Commands>;

export type ${type}Refusal = Rejection<'not-found' | '${one}-exists' | '${one}-closed'>;

export const ${one.toUpperCase()}_STATUSES = ['open', 'closed'] as const;

/** What is known of ${aOne} in every status. */
interface Known {
  readonly title: string;
  readonly openedAt: string;
  readonly updatedAt: string;
}

export type ${type} =
  | { readonly status: 'absent' }
  | (Known & { readonly status: 'open' })
  | (Known & { readonly status: 'closed'; readonly reason: string });

function decide(command: ${type}Command, ${one}: ${type}): Decision<${type}Event, ${type}Refusal> {
  if (command.type === 'Open${type}') {
    if (${one}.status !== 'absent') return { code: '${one}-exists', message: 'This ${one} exists already.' };
    return [{ type: '${type}Opened', data: { title: command.data.title } }];
  }
  if (${one}.status === 'absent') return { code: 'not-found', message: 'There is no such ${one}.' };
  switch (command.type) {
    case 'Close${type}':
      if (${one}.status === 'closed') return { code: '${one}-closed', message: 'This ${one} is closed already.' };
      return [{ type: '${type}Closed', data: { reason: command.data.reason } }];
    default:
      return command satisfies never;
  }
}

function evolve(${one}: ${type}, event: RecordedEvent<${type}Event>): ${type} {
  const updatedAt = event.recordedAt;
  if (event.type === '${type}Opened')
    return { status: 'open', title: event.data.title, openedAt: updatedAt, updatedAt };
  if (${one}.status === 'absent') return ${one};
  switch (event.type) {
    case '${type}Closed':
      return { ...${one}, status: 'closed', reason: event.data.reason, updatedAt };
    default:
      return event satisfies never;
  }
}

export const ${one} = aggregate({
  category: '${one}',
  events: ${one}Events,
  commands: ${one}Commands,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  stateVersion: 1,
  refusals: {
    '${one}-exists': { status: 409, title: '${type} exists', advice: 'Choose another id.', of: ['Open${type}'] },
    '${one}-closed': { status: 409, title: '${type} closed', advice: 'There is nothing to close.', of: ['Close${type}'] },
  },
});
`;
}
