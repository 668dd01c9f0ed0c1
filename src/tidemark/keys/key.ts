import * as z from 'zod/mini';

import { aggregate } from '../authoring/aggregate.ts';
import { type CommandOf, commands } from '../authoring/command-declarations.ts';
import { type EventOf, events } from '../authoring/event-declarations.ts';
import type { Decision, Rejection } from '../domain/decider.ts';
import type { RecordedEvent } from '../domain/event.ts';
import type { KEY_CATEGORY, StoredKey } from '../access/api-key-check.ts';
import { Time, described, text } from '../http/schemas.ts';

// Events

/** What a key allows, in events and in answers. */
export const keyDetails = {
  name: z.string(),
  scopes: z.array(z.string()),
  customerId: described(z.nullable(z.string()), 'The customer to whom the key is limited; null: to none.'),
  expiresAt: described(z.nullable(Time), 'From then on the key is refused; null: never.'),
};

const keyEvents = events({
  KeyCreated: {
    ...keyDetails,
    digest: described(z.string(), 'SHA-256 of the key.'),
  },
  KeyRevoked: {},
});
export type KeyEvent = EventOf<typeof keyEvents>;

// Commands

/** The longest name of a key, in characters. */
export const MAX_KEY_NAME = 100;
/** The longest id of a customer, in characters. */
export const MAX_CUSTOMER_ID = 100;

const keyCommands = commands('keyId', {
  CreateKey: {
    name: text(MAX_KEY_NAME),
    scopes: z.array(z.string()),
    customerId: z.nullable(text(MAX_CUSTOMER_ID)),
    expiresAt: z.nullable(Time),
    digest: z.string(),
  },
  RevokeKey: {},
});
export type KeyCommand = CommandOf<typeof keyCommands>;

export type KeyRefusal = Rejection<'not-found' | 'wrong-state'>;

// State

export type Key =
  | { readonly status: 'absent' }
  | (StoredKey & { readonly createdAt: string; readonly revokedAt: string | null });

export type ExistingKey = Exclude<Key, { status: 'absent' }>;

function decide(command: KeyCommand, key: Key): Decision<KeyEvent, KeyRefusal> {
  switch (command.type) {
    case 'CreateKey': {
      if (key.status !== 'absent') return { code: 'wrong-state', message: 'The key exists already.' };
      const { keyId: _, ...data } = command.data;
      return [{ type: 'KeyCreated', data }];
    }
    case 'RevokeKey':
      if (key.status === 'absent') return { code: 'not-found', message: 'There is no such key.' };
      // To revoke a key twice does no harm.
      return key.status === 'revoked' ? [] : [{ type: 'KeyRevoked', data: {} }];
    default:
      return command satisfies never;
  }
}

function evolve(key: Key, event: RecordedEvent<KeyEvent>): Key {
  switch (event.type) {
    case 'KeyCreated':
      return { ...event.data, status: 'active', createdAt: event.recordedAt, revokedAt: null };
    case 'KeyRevoked':
      return key.status === 'absent' ? key : { ...key, status: 'revoked', revokedAt: event.recordedAt };
    default:
      return event satisfies never;
  }
}

/** An API key: who uses it, and what it allows. The key itself is not stored, only its digest. */
export const key = aggregate({
  category: 'key' satisfies typeof KEY_CATEGORY,
  events: keyEvents,
  commands: keyCommands,
  decider: { initialState: { status: 'absent' }, decide, evolve },
  stateVersion: 1,
  refusals: { 'wrong-state': { of: ['CreateKey'] } },
});
