import * as z from 'zod/mini';

import { type CommandOf, type Decision, type EventOf, type RecordedEvent, type Rejection } from '#tidemark';
import { aggregate, commands, events, readModel, text } from '#tidemark';
import { serving } from '../../../src/groups.ts';

const greetingEvents = events({ Greeted: { name: z.string() } });
type Greeted = EventOf<typeof greetingEvents>;

const greetingCommands = commands('hallId', { Greet: { name: text(50) } });
type Greet = CommandOf<typeof greetingCommands>;

interface Hall {
  readonly names: readonly string[];
}

function decide({ data: { name } }: Greet, hall: Hall): Decision<Greeted, Rejection<'greeted-before'>> {
  if (hall.names.includes(name)) return { code: 'greeted-before', message: `${name} was greeted before.` };
  return [{ type: 'Greeted', data: { name } }];
}

function evolve({ names }: Hall, { data }: RecordedEvent<Greeted>): Hall {
  return { names: [...names, data.name] };
}

export const hall = aggregate({
  category: 'hall',
  events: greetingEvents,
  commands: greetingCommands,
  decider: { initialState: { names: [] }, decide, evolve },
  stateVersion: 1,
  refusals: {
    'greeted-before': { status: 409, title: 'Greeted before', advice: 'Greet another guest.', of: ['Greet'] },
  },
});

export const guestBook = readModel(hall, {
  name: 'guest-book',
  revision: 1,
  group: serving,
  view: { latest: z.string() },
  on: { Greeted: { create: ({ data }) => ({ latest: data.name }), change: (_, { data }) => ({ latest: data.name }) } },
});
