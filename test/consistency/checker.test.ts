import { describe, expect, it, test } from 'vitest';

import { type CheckOptions, checkHistory } from './checker.ts';
import { type History, MalformedHistoryError } from './history.ts';
import { type Scenario, refused, scenario, unanswered } from './scenario.ts';
import { type Check, CHECKS, explain } from './violation.ts';

/** Every stream is in every list, and counts one for each of its versions. */
const ALL: CheckOptions = { belongs: () => true, adds: (_, _stream, version) => [{ events: BigInt(version) }] };

/** Every stream counts one for each of its versions, or ten: no client can tell which. */
const ONE_OR_TENFOLD: CheckOptions = {
  adds: (_, _stream, version) => [{ events: BigInt(version) }, { events: 10n * BigInt(version) }],
};

/** An order is open at its first version, and closed from the second on. */
const OPEN: CheckOptions = { belongs: ({ query }, _stream, version) => query === 'all' || version === 1 };

interface Case {
  readonly name: string;
  readonly history: History;
  readonly options?: CheckOptions;
}

function sound(name: string, tell: (clients: Scenario) => History | void, options: CheckOptions = ALL): Case {
  const clients = scenario();
  return { name, history: tell(clients) ?? clients.history(), options };
}

interface BadCase extends Case {
  readonly check: Check;
  readonly why: string;
}

/** A history that only this one check may object to, and in these words. */
function bad(
  check: Check,
  name: string,
  why: string,
  tell: (clients: Scenario) => History | void,
  options: CheckOptions = ALL,
): BadCase {
  return { ...sound(name, tell, options), check, why };
}

const SOUND: readonly Case[] = [
  sound('a feed that is read in pages, while others write', (clients) => {
    clients.write('c1', 'order-1');
    const first = clients.feed('c2', [['order-1', 1, 1]]);
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-2');
    clients.feed(
      'c2',
      [
        ['order-2', 1, 1],
        ['order-1', 2, 2],
      ],
      { after: first, isEnd: true, isLast: true },
    );
  }),
  sound('a poll that was never answered, and is sent again from the same cursor', (clients) => {
    clients.write('c1', 'order-1', { appends: 2 });
    const first = clients.feed('c2', [['order-1', 1, 1]]);
    clients.feed('c2', [['order-1', 2, 2]], { after: first });
    clients.feed('c2', [['order-1', 2, 2]], { after: first, isEnd: true, isLast: true });
  }),
  sound('the end of a feed that has less than the token, and says of what', (clients) => {
    const token = clients.write('c1', 'order-1');
    clients.feed('c1', [], { token, isEnd: true, incomplete: ['order-1'] });
  }),
  sound('a page of a feed that is not its end', (clients) => {
    const token = clients.write('c1', 'order-1', { appends: 2 });
    clients.feed('c1', [['order-1', 1, 1]], { token });
  }),
  sound('nothing at all', () => {}),
  sound('a stale read without a token', (clients) => {
    clients.write('c1', 'order-1');
    clients.read('c1', 'order-1', 0);
    clients.list('c1', {});
    clients.sum('c1', { events: 0 });
  }),
  sound('a read of one’s own write, and of a newer one', (clients) => {
    const token = clients.write('c1', 'order-1');
    clients.read('c1', 'order-1', 1, { token });
    clients.write('c2', 'order-1');
    clients.read('c1', 'order-1', 2, { token });
  }),
  sound('a token that has seen less than its client, sent again', (clients) => {
    const old = clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { token: old });
    clients.read('c1', 'order-1', 1, { token: old });
  }),
  sound('a read that overlaps with a write and sees it before it is acknowledged', (clients) => {
    clients.write('c1', 'order-1', { at: [1, 10] });
    clients.read('c2', 'order-1', 1, { at: [2, 3] });
  }),
  sound('explicit errors in place of what the token has seen', (clients) => {
    const token = clients.write('c1', 'order-1');
    const history = clients.history();
    const codes = ['projection-behind', 'projection-dead-letter', 'projection-building', 'overloaded'];
    const reads = codes.map((code, index) => ({
      id: 100 + index,
      client: 'c1',
      invokedAt: 100 + 2 * index,
      completedAt: 101 + 2 * index,
      tokenFrom: token,
      isPartial: false,
      kind: 'read' as const,
      readModel: 'lookup',
      stream: 'order-1',
      atLeast: null,
      outcome: refused(code),
    }));
    return { ...history, operations: [...history.operations, ...reads] };
  }),
  sound('a stream that the answer names as incomplete', (clients) => {
    const token = clients.write('c1', 'order-1');
    clients.list('c1', {}, { token, incomplete: ['order-1'] });
    clients.sum('c1', { events: 0 }, { token, incomplete: ['order-1'] });
  }),
  sound('what a partial token forgot', (clients) => {
    const first = clients.write('c1', 'order-1');
    const second = clients.write('c1', 'order-2', { token: first, isPartial: true });
    clients.read('c1', 'order-1', 0, { token: second });
    clients.list('c1', { 'order-2': 1 }, { token: second });
  }),
  sound('two tokens that are more than one holds, of which the server says so and drops a part', (clients) => {
    const token = clients.write('c1', 'order-1');
    const other = clients.write('c1', 'order-2');
    clients.list('c1', { 'order-2': 1 }, { token, alsoTokens: [other], isPartial: true });
  }),
  sound('a token that was refused as forged, and the new one that came with the refusal', (clients) => {
    const token = clients.write('c1', 'order-1');
    const forged = clients.write('c1', 'order-2', { token, outcome: refused('invalid-causal-token') });
    clients.read('c1', 'order-1', 0, { token: forged });
  }),
  sound('what a list showed, not yet in another read model', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.list('c2', { 'order-1': 1 }, { kind: 'search', readModel: 'search' });
    clients.read('c2', 'order-1', 0, { token });
  }),
  sound(
    'a row that a newer write took out of the filter, and one that does not match yet',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.list('c1', { 'order-1': 1 }, { token, query: 'open' });
      clients.write('c2', 'order-1');
      clients.list('c1', {}, { token, query: 'open' });
    },
    OPEN,
  ),
  sound(
    'a page with unknown membership',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.list('c1', {}, { token });
    },
    {},
  ),
  sound('a sum while a write is under way, with it and without', (clients) => {
    clients.write('c1', 'order-1', { at: [1, 10] });
    clients.sum('c2', { events: 0 }, { at: [2, 3] });
    clients.sum('c2', { events: 1 }, { at: [4, 5] });
  }),
  sound(
    'a sum that is one of several possible ones',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.sum('c1', { events: 1 }, { token });
      clients.sum('c1', { events: 10 }, { token });
    },
    ONE_OR_TENFOLD,
  ),
  sound('an event that an operator had one read model skip', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.write('c1', 'order-1');
    clients.read('c1', 'order-1', 1, { token });
    return clients.history({ skipped: [{ readModel: 'lookup', stream: 'order-1', version: 2 }] });
  }),
  sound('contents that differ where an event was skipped', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    clients.read('c1', 'order-1', 2, { content: 'with it' });
    clients.read('c1', 'order-1', 2, { content: 'without it', readModel: 'other' });
    return clients.history({ skipped: [{ readModel: 'other', stream: 'order-1', version: 1 }] });
  }),
  sound('an unknown outcome that was applied, and its retry that is told so', (clients) => {
    clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, logs: 1, at: [1, null] });
    clients.write('c1', 'order-1', { key: 'k', outcome: { kind: 'acknowledged', stream: 'order-1', version: 1 } });
  }),
  sound('an unknown outcome that was not applied, and its retry that was', (clients) => {
    clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, at: [1, null] });
    clients.write('c1', 'order-1', { key: 'k' });
    clients.write('c1', 'order-1', { key: 'k', outcome: { kind: 'acknowledged', stream: 'order-1', version: 1 } });
  }),
  sound('a late replay, after others wrote', (clients) => {
    const first = clients.write('c1', 'order-1', { key: 'k' });
    const second = clients.write('c1', 'order-1', { token: first });
    const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
    clients.write('c1', 'order-1', { key: 'k', token: second, outcome });
  }),
  sound('a refusal that the key does not remember', (clients) => {
    clients.write('c1', 'order-1', { key: 'k', outcome: refused('wrong-state') });
    clients.write('c2', 'order-1');
    clients.write('c1', 'order-1', { key: 'k' });
  }),
  sound('a refusal while an earlier attempt, late, is still on its way', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { key: 'k', outcome: refused('wrong-state'), at: [11, 12] });
    clients.write('c2', 'order-1', { at: [13, 14] });
    clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, logs: 1, at: [10, null] });
  }),
  sound('another body under a key that was used, refused', (clients) => {
    clients.write('c1', 'order-1', { key: 'k' });
    clients.write('c1', 'order-1', { key: 'k', fingerprint: 'other', outcome: refused('key-reused') });
  }),
  sound('a retry that meets an overloaded object', (clients) => {
    clients.write('c1', 'order-1', { key: 'k' });
    clients.write('c1', 'order-1', { key: 'k', outcome: refused('overloaded') });
  }),
  sound('a command that had nothing to do, and its replay after other commands', (clients) => {
    clients.write('c1', 'order-1');
    const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
    clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true, outcome });
    clients.write('c2', 'order-1');
    clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true, outcome });
  }),
  sound('the same key in two scopes', (clients) => {
    clients.write('c1', 'order-1', { key: 'k' });
    const history = clients.history();
    const [operation] = history.operations;
    const twin = { ...operation, id: 2, correlationId: 'twin', idempotency: { scope: 'Other', key: 'k' } };
    const [event] = history.log['order-1'] ?? [];
    return {
      ...history,
      operations: [
        ...history.operations,
        { ...twin, stream: 'order-2', outcome: { kind: 'acknowledged', stream: 'order-2', version: 1 } },
      ],
      log: { ...history.log, 'order-2': [{ ...event, id: 'other', correlationId: 'twin' }] },
    } as History;
  }),
  sound('an expected version that matches, and one that does not', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { expected: 1 });
    const token = clients.write('c2', 'order-1', { expected: 1, outcome: refused('version-mismatch', 2) });
    clients.read('c2', 'order-1', 2, { token });
  }),
  sound('a command of several events', (clients) => {
    const token = clients.write('c1', 'order-1', { appends: 3 });
    clients.read('c1', 'order-1', 3, { token });
  }),
  sound('a command of which nothing needed to be appended', (clients) => {
    clients.write('c1', 'order-1');
    const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
    clients.write('c1', 'order-1', { appends: 0, outcome });
  }),
  sound('a create whose id only the server knows', (clients) => {
    clients.write('c1', 'order-1', { target: null });
  }),
  sound('a command decided upon what its token had seen, or newer', (clients) => {
    const token = clients.write('c1', 'product-1');
    clients.write('c2', 'product-1');
    clients.write('c1', 'order-1', { token, saw: { 'product-1': 2 } });
    clients.write('c3', 'order-2', { saw: { 'product-1': 1 } });
  }),
  sound('events from before the history', (clients) => {
    clients.read('c1', 'order-9', 1, { content: 'a' });
    clients.read('c1', 'order-9', 1, { content: 'a' });
    return clients.history({
      log: (log) => {
        log['order-9'] = [{ id: 'e', version: 1, correlationId: null, recordedAt: '0', saw: {} }];
      },
    });
  }),
  sound('a version that was asked for, answered by the write side', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    clients.read('c2', 'order-1', 2, { atLeast: 2, source: 'write-store' });
  }),
];

const BAD: readonly BadCase[] = [
  bad(
    'feed-order',
    'an event comes twice in a feed',
    'Client c2 in operation 3 got order-1@1 from the feed, though its reader had already got version 1.',
    (clients) => {
      clients.write('c1', 'order-1');
      const first = clients.feed('c2', [['order-1', 1, 1]]);
      clients.feed('c2', [['order-1', 1, 1]], { after: first });
    },
  ),
  bad(
    'feed-order',
    'a feed leaves an event out',
    'Client c2 in operation 2 got order-1@3 from the feed right after version 1: what lies between was left out.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 3 });
      clients.feed('c2', [
        ['order-1', 1, 1],
        ['order-1', 3, 3],
      ]);
    },
  ),
  bad(
    'phantom',
    'a feed shows an event that is not in the log',
    'Client c2 in operation 2 got order-1@1 from the feed as event another, which is not in the log there.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.feed('c2', [['order-1', 1, 1]], { idOf: () => 'another' });
    },
  ),
  bad(
    'feed-complete',
    'a feed ends before the log does, though all is quiet',
    'Client c2 in operation 2 read the feed to its end when all was quiet, and got order-1 up to version 1 of 2.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      clients.feed('c2', [['order-1', 1, 1]], { isEnd: true, isLast: true });
    },
  ),
  bad(
    'read-your-writes',
    'a feed ends before what its reader has written',
    'Client c1 in operation 2 was told that there are no more events, having got order-1 up to version 0, with the token of operation 1, whose past has version 1 (written by client c1 in operation 1).',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.feed('c1', [], { token, isEnd: true });
    },
  ),
  bad(
    'read-your-writes',
    'a read misses the client’s own write',
    'Client c1 in operation 3 read order-1 at version 1 (lookup), with the token of operation 2, whose past has version 2 (written by client c1 in operation 2).',
    (clients) => {
      const first = clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1', { token: first });
      clients.read('c1', 'order-1', 1, { token });
    },
  ),
  bad(
    'read-your-writes',
    'what was written is not there',
    'Client c1 in operation 2 was told that order-1 is not there (lookup), with the token of operation 1, whose past has version 1 (written by client c1 in operation 1).',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.read('c1', 'order-1', 0, { token });
    },
  ),
  bad(
    'read-your-writes',
    'a token is handed to another client, whose read of another read model misses the write',
    'Client c2 in operation 3 was told that order-1 is not there (other), with the token of operation 2, whose past has version 1 (written by client c1 in operation 1).',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      const later = clients.write('c1', 'order-2', { token });
      clients.read('c2', 'order-1', 0, { token: later, readModel: 'other' });
    },
  ),
  bad(
    'read-your-writes',
    'a list with the tokens of two answers lacks what only the second of them has written',
    'Client c1 in operation 4 got a list of lookup without order-2, with the tokens of operations 1 and 2, whose past has version 1 (written by client c1 in operation 2); at that version, and at all that were written later, it matches "all".',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      const other = clients.write('c1', 'order-2');
      clients.read('c1', 'order-1', 1, { token });
      clients.list('c1', { 'order-1': 1 }, { token, alsoTokens: [other] });
    },
  ),
  bad(
    'read-your-writes',
    'the token of an answer to several tokens forgets one of them',
    'Client c1 in operation 5 was told that order-2 is not there (lookup), with the tokens of operations 3 and 4, whose past has version 1 (written by client c1 in operation 2).',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      const other = clients.write('c1', 'order-2');
      const merged = clients.list('c1', { 'order-1': 1, 'order-2': 1 }, { token, alsoTokens: [other] });
      const late = clients.write('c1', 'order-3', { token });
      clients.read('c1', 'order-2', 0, { token: merged, alsoTokens: [late] });
    },
  ),
  bad(
    'read-your-writes',
    'a list lacks a row',
    'Client c1 in operation 2 got a list of lookup without order-1, with the token of operation 1, whose past has version 1 (written by client c1 in operation 1); at that version, and at all that were written later, it matches "all".',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.list('c1', {}, { token });
    },
  ),
  bad(
    'read-your-writes',
    'a list has a row at an older version',
    'Client c1 in operation 3 got order-1 at version 1 in a list of lookup, with the token of operation 2, whose past has version 2 (written by client c1 in operation 2).',
    (clients) => {
      const first = clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1', { token: first });
      clients.list('c1', { 'order-1': 1 }, { token });
    },
  ),
  bad(
    'read-your-writes',
    'the newest entry of a partial token is not honoured',
    'Client c1 in operation 3 was told that order-2 is not there (lookup), with the token of operation 2, whose past has version 1 (written by client c1 in operation 2).',
    (clients) => {
      const first = clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-2', { token: first, isPartial: true });
      clients.read('c1', 'order-2', 0, { token });
    },
  ),
  bad(
    'read-your-writes',
    'a skip in one read model does not excuse another',
    'Client c1 in operation 3 read order-1 at version 1 (lookup), with the token of operation 2, whose past has version 2 (written by client c1 in operation 2).',
    (clients) => {
      clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1');
      clients.read('c1', 'order-1', 1, { token });
      return clients.history({ skipped: [{ readModel: 'other', stream: 'order-1', version: 2 }] });
    },
  ),
  bad(
    'monotonic-reads',
    'a read model goes back behind what another one showed of the resource',
    'Client c2 in operation 4 read order-1 at version 1 (other), with the token of operation 3, whose past has version 2 (seen by client c2 in operation 3).',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      const token = clients.read('c2', 'order-1', 2);
      clients.read('c2', 'order-1', 1, { token, readModel: 'other' });
    },
  ),
  bad(
    'monotonic-reads',
    'a list goes back behind a search of the same read model',
    'Client c2 in operation 4 got order-1 at version 1 in a search of search, with the token of operation 3, whose past has version 2 (seen by client c2 in operation 3).',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      const token = clients.list('c2', { 'order-1': 2 }, { kind: 'search', readModel: 'search' });
      clients.list('c2', { 'order-1': 1 }, { kind: 'search', readModel: 'search', token });
    },
  ),
  bad(
    'monotonic-reads',
    'a row that a list showed is gone, although the token is partial: databases’ bookmarks stay',
    'Client c2 in operation 4 got a list of lookup without order-1, with the token of operation 3, whose past has version 1 (seen by client c2 in operation 2); at that version, and at all that were written later, it matches "all".',
    (clients) => {
      clients.write('c1', 'order-1');
      const listed = clients.list('c2', { 'order-1': 1 });
      const token = clients.write('c2', 'order-2', { token: listed, isPartial: true });
      clients.list('c2', { 'order-2': 1 }, { token });
    },
  ),
  bad(
    'monotonic-reads',
    'a version that a refusal named is unseen',
    'Client c2 in operation 4 read order-1 at version 1 (lookup), with the token of operation 3, whose past has version 2 (seen by client c2 in operation 3).',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      const token = clients.write('c2', 'order-1', { expected: 1, outcome: refused('version-mismatch', 2) });
      clients.read('c2', 'order-1', 1, { token });
    },
  ),
  bad(
    'monotonic-reads',
    'a sum that only grows has shrunk',
    'Client c2 in operation 4 got orders = 1 from sums, with the token of operation 3, in whose past client c2 in operation 3 had already got 2; and no event lowers it.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-2');
      const token = clients.sum('c2', { orders: 2 }, { growing: ['orders'] });
      clients.sum('c2', { orders: 1 }, { growing: ['orders'], token });
    },
    {},
  ),
  bad(
    'impossible-sum',
    'a sum leaves out what the token has seen',
    'Client c1 in operation 3 got events = 1 from sums, with the token of operation 2; by what that has seen, and what had been written, it is 2.',
    (clients) => {
      const first = clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-2', { token: first });
      clients.sum('c1', { events: 1 }, { token });
    },
  ),
  bad(
    'impossible-sum',
    'a sum counts an event twice',
    'Client c2 in operation 2 got events = 2 from sums, without a token; by what that has seen, and what had been written, it lies between 0 and 1.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.sum('c2', { events: 2 });
    },
  ),
  bad(
    'impossible-sum',
    'a sum is none of several possible ones',
    'Client c1 in operation 2 got events = 0 from sums, with the token of operation 1; by what that has seen, and what had been written, it lies between 1 and 10.',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.sum('c1', { events: 0 }, { token });
    },
    ONE_OR_TENFOLD,
  ),
  bad(
    'writes-follow-reads',
    'an order is decided upon an older price than its client had seen',
    'Client c2 in operation 4 wrote order-1@1 upon version 1 of product-1, with the token of operation 3, whose past has version 2 (seen by client c2 in operation 3).',
    (clients) => {
      clients.write('c1', 'product-1');
      clients.write('c1', 'product-1');
      const token = clients.read('c2', 'product-1', 2);
      clients.write('c2', 'order-1', { token, saw: { 'product-1': 1 } });
    },
  ),
  bad(
    'lost-write',
    'what was acknowledged is not in the log',
    'Client c1 in operation 2 was told that Write is order-1@2, but the log ends at version 1: the write is lost.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      return clients.history({ log: (log) => log['order-1']?.pop() });
    },
  ),
  bad(
    'lost-write',
    'two commands are acknowledged at one version',
    'Client c2 in operation 2 was told that Write is order-1@1, but another command wrote that version: the write is lost.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1', { outcome: { kind: 'acknowledged', stream: 'order-1', version: 1 } });
    },
  ),
  bad(
    'lost-write',
    'an object has forgotten what it acknowledged',
    'Client c2 in operation 2 was told that order-1 is not there (log), but client c1 in operation 1 had been shown version 1 before.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.read('c2', 'order-1', 0, { source: 'log' });
    },
  ),
  bad(
    'lost-write',
    'a command does not find what was created before',
    'Client c2 in operation 2 was told that order-1 is not there, but client c1 in operation 1 had been shown version 1 before.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1', { outcome: refused('not-found') });
    },
  ),
  bad(
    'lost-write',
    'a refusal names an older version than was acknowledged',
    'Client c2 in operation 3 was told that order-1 is at version 1, but client c1 in operation 2 had been shown version 2 before.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1', { expected: 2, outcome: refused('version-mismatch', 1) });
    },
  ),
  bad(
    'phantom',
    'a read sees a version that no command wrote',
    'Client c1 in operation 2 was shown order-1 at version 2, but its log ends at 1: no command wrote that.',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.read('c1', 'order-1', 2, { token });
    },
  ),
  bad(
    'phantom',
    'a list has a row of a stream that does not exist',
    'Client c1 in operation 1 was shown order-7 at version 1, but its log ends at 0: no command wrote that.',
    (clients) => {
      clients.list('c1', { 'order-7': 1 });
    },
  ),
  bad(
    'phantom',
    'a read sees a write before it is sent',
    'Client c2 in operation 1 had already seen version 1 of order-1 before client c1 in operation 2 even sent the command that wrote version 1.',
    (clients) => {
      clients.read('c2', 'order-1', 1);
      clients.write('c1', 'order-1');
    },
  ),
  bad(
    'phantom',
    'the log has an event that no client asked for',
    'order-1@2 has the correlation id ghost, which no client ever sent.',
    (clients) => {
      clients.write('c1', 'order-1');
      return clients.history({
        log: (log) => log['order-1']?.push({ id: 'g', version: 2, correlationId: 'ghost', recordedAt: '9', saw: {} }),
      });
    },
  ),
  bad(
    'phantom',
    'a command is written to another stream than it was sent to',
    'Client c1 in operation 1 sent Write to order-2, but it was written to order-1@1.',
    (clients) => {
      clients.write('c1', 'order-1', { target: 'order-2' });
    },
  ),
  bad(
    'write-order',
    'a command is put before one that had been acknowledged',
    'Client c2 in operation 1 had been told of version 2 of order-1 before client c1 in operation 2 even sent the command that wrote version 1.',
    (clients) => {
      const outcome = { kind: 'acknowledged', stream: 'order-1', version: 2 } as const;
      clients.write('c2', 'order-1', { outcome });
      clients.write('c1', 'order-1');
      return clients.history({
        log: (log) =>
          log['order-1']?.push({ id: 'x', version: 2, correlationId: 'attempt-1', recordedAt: '9', saw: {} }),
      });
    },
  ),
  bad(
    'one-outcome',
    'a retry is applied once more',
    'The key k was applied twice: by client c1 in operation 1 as order-1@1, and by client c1 in operation 2 as order-1@2.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, logs: 1, at: [1, null] });
      clients.write('c1', 'order-1', { key: 'k' });
    },
  ),
  bad(
    'one-outcome',
    'a create, sent again, creates another',
    'The key k was applied twice: by client c1 in operation 1 as order-1@1, and by client c1 in operation 2 as order-2@1.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k', target: null });
      clients.write('c1', 'order-2', { key: 'k', target: null });
    },
  ),
  bad(
    'one-outcome',
    'a retry is told another outcome',
    'Client c1 in operation 3 was told that Write is order-1@2, but what it wrote is order-1@1.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k' });
      clients.write('c2', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', outcome: { kind: 'acknowledged', stream: 'order-1', version: 2 } });
    },
  ),
  bad(
    'one-outcome',
    'a command that had nothing to do is forgotten, and does nothing again',
    'The key k did nothing, and client c1 in operation 2 was told order-1@1, but client c1 in operation 4 was told order-1@2.',
    (clients) => {
      const outcome = (version: number) => ({ kind: 'acknowledged', stream: 'order-1', version }) as const;
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true, outcome: outcome(1) });
      clients.write('c2', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true, outcome: outcome(2) });
    },
  ),
  bad(
    'one-outcome',
    'a command that had nothing to do is forgotten, and does something',
    'Client c1 in operation 2 was told that Write is order-1@1, but what it wrote is order-1@3.',
    (clients) => {
      const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true, outcome });
      clients.write('c2', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', mayDoNothing: true });
    },
  ),
  bad(
    'one-outcome',
    'a retry of what was acknowledged is refused',
    'Client c1 in operation 2 was refused with wrong-state, although the same command under the key k (client c1 in operation 1) is applied as order-1@1.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k' });
      clients.write('c1', 'order-1', { key: 'k', outcome: refused('wrong-state') });
    },
  ),
  bad(
    'one-outcome',
    'a retry of what was applied unseen is refused because it was applied',
    'Client c1 in operation 3 was refused with wrong-state, although the same command under the key k (client c1 in operation 2) is applied as order-1@2.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, logs: 1, at: [5, null] });
      clients.write('c1', 'order-1', { key: 'k', outcome: refused('wrong-state') });
    },
  ),
  bad(
    'one-outcome',
    'another body under the key is answered as if it were the same',
    'Client c1 in operation 2 sent another body under the key k than client c1 in operation 1 had, and was not refused.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k' });
      const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
      clients.write('c1', 'order-1', { key: 'k', fingerprint: 'other', outcome });
    },
  ),
  bad(
    'one-outcome',
    'a key is refused as used with another body, though it was not',
    'Client c1 in operation 2 was told that the key k came with another body before, but it never did.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k' });
      clients.write('c1', 'order-1', { key: 'k', outcome: refused('key-reused') });
    },
  ),
  bad(
    'one-outcome',
    'a command without a key is applied twice in a row',
    'Write of client c1 in operation 1 appends one event, but it was applied more than once: as order-1@1 to 2.',
    (clients) => {
      clients.write('c1', 'order-1', { logs: 2 });
    },
  ),
  bad(
    'one-outcome',
    'a command is applied again later',
    'The command that client c1 in operation 1 sent once was applied twice: as order-1@1 and as order-1@3.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1');
      return clients.history({
        log: (log) =>
          log['order-1']?.push({ id: 'x', version: 3, correlationId: 'attempt-1', recordedAt: '9', saw: {} }),
      });
    },
  ),
  bad(
    'refused-yet-applied',
    'a command is refused, and yet in the log',
    'Client c1 in operation 1 was refused with overloaded, but its Write is in the log as order-1@1.',
    (clients) => {
      clients.write('c1', 'order-1', { outcome: refused('overloaded'), logs: 1 });
    },
  ),
  bad(
    'torn-write',
    'only some of a command’s events are in the log',
    'Write of client c1 in operation 1 appends 2 events together, but only order-1@1 is in the log.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2, logs: 1, outcome: unanswered, at: [1, null] });
    },
  ),
  bad(
    'expected-version',
    'a command is appended upon another version than it expected',
    'Client c2 in operation 3 expected order-1 at version 1, but Write was appended as version 3, upon version 2.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1', { expected: 1 });
    },
  ),
  bad(
    'expected-version',
    'a command is refused because of its expected version, which is the current one',
    'Client c2 in operation 2 was refused because order-1 is at version 1, which is the one it expected.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c2', 'order-1', { expected: 1, outcome: refused('version-mismatch', 1) });
    },
  ),
  bad('log-order', 'a version is missing', 'The log of order-1 has version 3 where 2 belongs.', (clients) => {
    clients.write('c1', 'order-1');
    return clients.history({
      log: (log) => log['order-1']?.push({ id: 'x', version: 3, correlationId: null, recordedAt: '9', saw: {} }),
    });
  }),
  bad('log-order', 'two events have one id', 'order-2@1 and order-1@1 have the same event id order-1@1.', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-2');
    return clients.history({
      log: (log) => {
        log['order-2'] = [{ ...log['order-2']?.[0], id: 'order-1@1' } as never];
      },
    });
  }),
  bad(
    'log-order',
    'time goes back',
    'order-1@2 was recorded at 000000, before its predecessor (000001).',
    (clients) => {
      clients.write('c1', 'order-1');
      return clients.history({
        log: (log) => log['order-1']?.push({ id: 'x', version: 2, correlationId: null, recordedAt: '000000', saw: {} }),
      });
    },
  ),
  bad(
    'asked-version',
    'a version that was asked for is not reached',
    'Client c2 in operation 3 read order-1 at version 1 (lookup), but had asked for version 2 or later.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.read('c2', 'order-1', 1, { atLeast: 2 });
    },
  ),
  bad(
    'one-content',
    'the rows are older than the version that they come with',
    'order-1@2 was shipped for client c1 in operation 3, and placed for client c2 in operation 4.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.read('c1', 'order-1', 2, { content: 'shipped' });
      clients.read('c2', 'order-1', 2, { content: 'placed' });
    },
  ),
  bad(
    'wrong-row',
    'a list has a row that does not match',
    'Client c1 in operation 3 got order-1 at version 2 in a list of lookup, which at that version does not match "open".',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.list('c1', { 'order-1': 2 }, { query: 'open' });
    },
    OPEN,
  ),
  bad(
    'wrong-row',
    'a list has a row twice',
    'Client c1 in operation 2 got order-1 at version 1 in a list of lookup, and a second time.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.list('c1', { 'order-1': 1 });
      const history = clients.history();
      const [write, list] = history.operations;
      const row = { stream: 'order-1', version: 1, content: null };
      return {
        ...history,
        operations: [write, { ...list, outcome: { kind: 'rows', rows: [row, row], incomplete: [] } }],
      } as History;
    },
  ),
];

describe('the checker finds nothing in', () => {
  test.each(SOUND)('$name', ({ history, options }) => {
    expect(explain(checkHistory(history, options))).toBe('');
  });
});

describe('the checker objects if', () => {
  test.each(BAD)('$name ($check)', ({ history, options, check, why }) => {
    const violations = checkHistory(history, options);
    expect(violations.map((violation) => [violation.check, violation.why])).toEqual([[check, why]]);
  });

  it('a session’s writes come in another sequence than the client knew them', () => {
    const clients = scenario();
    const first = clients.write('c1', 'order-1', {
      outcome: { kind: 'acknowledged', stream: 'order-1', version: 2 },
    });
    clients.write('c1', 'order-1', { token: first });
    const history = clients.history({
      log: (log) => log['order-1']?.push({ id: 'x', version: 2, correlationId: 'attempt-1', recordedAt: '9', saw: {} }),
    });
    expect(checkHistory(history)).toMatchObject([
      { check: 'write-order', operations: [1, 2] },
      {
        check: 'monotonic-writes',
        operations: [2, 1],
        stream: 'order-1',
        why: 'Client c1 in operation 2 wrote order-1@1, with the token of operation 1, whose past has version 2 (written by client c1 in operation 1).',
      },
    ]);
  });

  it('whichever check there is, for each has a history of its own here', () => {
    // restored-checks.test.ts has the faults after a restore.
    const tried = new Set<string>([...BAD.map(({ check }) => check), 'monotonic-writes', 'lost-history']);
    expect([...tried].toSorted()).toEqual(Object.keys(CHECKS).toSorted());
  });
});

describe('a history', () => {
  it('is the same after it was saved as JSON', () => {
    for (const { history } of [...SOUND, ...BAD]) {
      const saved = JSON.parse(JSON.stringify(history)) as History;
      expect(saved).toEqual(history);
    }
  });

  it.each([
    ['an answer comes before its question', { completedAt: 0 }],
    ['a token comes from nowhere', { tokenFrom: 9 }],
    ['a token is sent before it was got', { tokenFrom: 1 }],
    ['a further token comes from nowhere', { tokensAlsoFrom: [9] }],
    ['an outcome is known without an answer', { completedAt: null }],
    ['two operations have one number', { id: 2 }],
  ])('is refused when %s', (_, change) => {
    const clients = scenario();
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    const { operations, ...rest } = clients.history();
    const changed = operations.map((operation) => (operation.id === 1 ? { ...operation, ...change } : operation));
    expect(() => checkHistory({ ...rest, operations: changed })).toThrow(MalformedHistoryError);
  });
});
