import { describe, expect, test } from 'vitest';

import { type CheckOptions, checkHistory } from './checker.ts';
import type { History } from './history.ts';
import { type Scenario, refused, scenario, unanswered } from './scenario.ts';
import { type Check, explain } from './violation.ts';

/** Every stream is in every list, and counts one for each of its versions. */
const ALL: CheckOptions = { belongs: () => true, adds: (_, _stream, version) => [{ events: BigInt(version) }] };

/** An order is open until it is closed, which only the lost version 2 does. */
const OPEN: CheckOptions = { belongs: (_, _stream, version, branch) => version === 1 || branch > 0 };

/** As the stream's second event after a restore is called. */
const another = (stream: string, version: number) => `${stream}@${version}'`;

interface Case {
  readonly name: string;
  readonly history: History;
  readonly options: CheckOptions;
}

function told(name: string, tell: (clients: Scenario) => History | void, options: CheckOptions = ALL): Case {
  const clients = scenario();
  return { name, history: tell(clients) ?? clients.history(), options };
}

const SOUND: readonly Case[] = [
  told('an acknowledged command that a restore has lost', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    clients.restore('order-1', 1);
    clients.write('c2', 'order-1');
    clients.read('c2', 'order-1', 2, { source: 'log' });
  }),
  told('a command of which nothing needed to be appended, upon what a restore has lost', (clients) => {
    clients.write('c1', 'order-1');
    const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
    clients.write('c2', 'order-1', { appends: 0, outcome });
    clients.restore('order-1', 0);
  }),
  told('a whole stream that a restore has lost', (clients) => {
    const token = clients.write('c1', 'order-1');
    clients.restore('order-1', 0);
    clients.write('c1', 'order-1', { token, outcome: refused('causal-token-ahead') });
    clients.read('c2', 'order-1', 0, { source: 'write-store' });
  }),
  told('a key whose command was lost, sent again and applied once more', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { key: 'k' });
    clients.restore('order-1', 1);
    clients.write('c1', 'order-1', { key: 'k' });
    clients.write('c1', 'order-1', { key: 'k', outcome: { kind: 'acknowledged', stream: 'order-1', version: 2 } });
  }),
  told('one attempt that was applied, lost, tried again by the server, and applied once more', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { key: 'k', outcome: unanswered, logs: 1, at: [3, null] });
    clients.restore('order-1', 1);
    return clients.history({
      log: (log) => log['order-1']?.push({ id: 'x', version: 2, correlationId: 'attempt-2', recordedAt: '9', saw: {} }),
    });
  }),
  told('an attempt that was applied, lost, and refused when the server tried again', (clients) => {
    const token = clients.write('c1', 'order-1');
    clients.write('c1', 'order-1', { token, outcome: refused('causal-token-ahead'), logs: 1, at: [3, 9] });
    const history = clients.history();
    const [kept, lost] = history.log['order-1'] ?? [];
    const restore = { stream: 'order-1', at: 5, announcedAt: 5, to: 1, lost: [lost] };
    return { ...history, log: { 'order-1': [kept] }, restored: { ...history.restored, logs: [restore] } } as History;
  }),
  told('who has seen what was lost, and is refused everywhere', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.write('c1', 'order-1');
    clients.restore('order-1', 1);
    clients.write('c2', 'order-1');
    clients.write('c1', 'order-1', { token, expected: 2, outcome: refused('causal-token-ahead') });
  }),
  told('what was lost, in a read model that has not heard of it', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    clients.restore('order-1', 1);
    const token = clients.write('c2', 'order-1');
    clients.read('c2', 'order-1', 3, { token });
    clients.list('c2', { 'order-1': 3 }, { token });
    clients.sum('c2', { events: 3 }, { token });
    clients.sum('c3', { events: 2 });
  }),
  told('a read model that is beyond the version that was lost, and answers from the present', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.write('c1', 'order-1');
    clients.restore('order-1', 1);
    clients.write('c2', 'order-1');
    clients.write('c2', 'order-1');
    clients.read('c1', 'order-1', 3, { token });
  }),
  told(
    'a row that matches in the log that was lost',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.restore('order-1', 0);
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.list('c2', { 'order-1': 2 });
    },
    OPEN,
  ),
  told('a list that goes back, by who saw what was lost in that list alone', (clients) => {
    clients.write('c1', 'order-1');
    clients.write('c1', 'order-1');
    const token = clients.list('c2', { 'order-1': 2 });
    clients.restore('order-1', 1);
    clients.list('c2', { 'order-1': 1 }, { token });
  }),
  told('two contents of one version, one of which was lost', (clients) => {
    clients.write('c1', 'order-1');
    clients.read('c1', 'order-1', 1, { content: 'lost' });
    clients.restore('order-1', 0);
    clients.write('c1', 'order-1');
    clients.read('c2', 'order-1', 1, { content: 'present' });
  }),
  told('a token that was shortened, before all Workers knew of the restore', (clients) => {
    clients.write('c1', 'order-1');
    const named = clients.write('c1', 'order-1');
    const token = clients.write('c1', 'order-2', { token: named, isShortened: true });
    clients.restore('order-1', 1, { isAnnounced: false });
    clients.read('c1', 'order-1', 1, { token });
    clients.write('c1', 'order-1', { token });
  }),
  told('a feed that has what was lost, and ends there because the archive stopped', (clients) => {
    clients.write('c1', 'order-1', { appends: 2 });
    clients.restore('order-1', 1);
    clients.write('c2', 'order-1');
    clients.write('c2', 'order-1');
    clients.stop('archive', 'order-1');
    clients.feed('c3', [['order-1', 1, 2]], { isEnd: true, isLast: true });
  }),
  told('a feed that never saw what was lost', (clients) => {
    clients.write('c1', 'order-1', { appends: 2 });
    clients.restore('order-1', 1);
    clients.write('c2', 'order-1');
    const first = clients.feed('c3', [['order-1', 1, 1]]);
    clients.feed('c3', [['order-1', 2, 2]], { after: first, isEnd: true, isLast: true, idOf: another });
  }),
  told('a reader of the feed that begins anew, since the archive was set back', (clients) => {
    clients.write('c1', 'order-1', { appends: 2 });
    clients.feed('c2', [['order-1', 1, 2]]);
    clients.restoreDatabase('archive');
    clients.feed('c2', [['order-1', 1, 2]], { isEnd: true, isLast: true });
  }),
  told('what a list showed, not yet there again after its database was set back', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.list('c2', { 'order-1': 1 });
    clients.restoreDatabase('lookup');
    clients.list('c2', {}, { token });
  }),
  told('a sum that only grows, and falls back with its database', (clients) => {
    clients.write('c1', 'order-1');
    const token = clients.sum('c2', { events: 1 }, { growing: ['events'] });
    clients.restoreDatabase('sums');
    clients.sum('c2', { events: 0 }, { growing: ['events'], token });
  }),
  told('a stream that a read model stopped, read after it was put right', (clients) => {
    clients.write('c1', 'order-1');
    clients.restore('order-1', 0);
    clients.write('c1', 'order-1');
    clients.stop('lookup', 'order-1').putRight();
    clients.read('c2', 'order-1', 1);
  }),
];

interface BadCase extends Case {
  readonly check: Check;
  readonly why: string;
}

/** A history that only this one check may object to, and in these words. */
function bad(
  check: Check,
  name: string,
  why: string,
  tell: (clients: Scenario) => void,
  options: CheckOptions = ALL,
): BadCase {
  return { ...told(name, tell, options), check, why };
}

const BAD: readonly BadCase[] = [
  bad(
    'lost-history',
    'a command changes another version than the one that its sender has seen',
    'Client c1 in operation 4 wrote order-1@3, with the token of operation 2, whose past has another event as version 2 of order-1 (by client c1 in operation 2): a restore has lost it.',
    (clients) => {
      clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.write('c2', 'order-1');
      clients.write('c1', 'order-1', { token, expected: 2 });
    },
  ),
  bad(
    'lost-history',
    'the write store answers with another version than the one that was seen',
    'Client c1 in operation 4 read order-1 at version 2 (write-store), with the token of operation 2, whose past has another event as version 2 of order-1 (by client c1 in operation 2): a restore has lost it.',
    (clients) => {
      clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.write('c2', 'order-1');
      clients.read('c1', 'order-1', 2, { token, source: 'write-store' });
    },
  ),
  bad(
    'lost-history',
    'the log is shown beyond a version that it never had as it was seen',
    'Client c1 in operation 5 read order-1 at version 3 (log), with the token of operation 2, whose past has another event as version 2 of order-1 (by client c1 in operation 2): a restore has lost it.',
    (clients) => {
      clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.write('c2', 'order-1');
      clients.write('c2', 'order-1');
      clients.read('c1', 'order-1', 3, { token, source: 'log' });
    },
  ),
  bad(
    'lost-history',
    'a read model at the very version shows another event than was seen there',
    'Client c1 in operation 3 read order-1 at version 1 (lookup), with the token of operation 2, whose past has another event as version 1 of order-1 (by client c2 in operation 2): a restore has lost it.',
    (clients) => {
      clients.write('c1', 'order-1', { content: 'lost' });
      clients.restore('order-1', 0);
      const token = clients.write('c2', 'order-1', { content: 'present' });
      clients.read('c1', 'order-1', 1, { token, content: 'lost' });
    },
  ),
  bad(
    'lost-history',
    'a key is answered with what was lost before it was sent',
    'Client c1 in operation 2 was told that Write is order-1@1, which a restore had lost before the command was sent.',
    (clients) => {
      clients.write('c1', 'order-1', { key: 'k' });
      clients.restore('order-1', 0);
      clients.write('c1', 'order-1', { key: 'k', outcome: { kind: 'acknowledged', stream: 'order-1', version: 1 } });
    },
  ),
  bad(
    'lost-history',
    'a read model goes on answering of a stream that it has stopped',
    'Client c2 in operation 2 read order-1 at version 1 (lookup) without a token, though lookup had stopped it: its log was set back.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.restore('order-1', 0);
      clients.stop('lookup', 'order-1');
      clients.read('c2', 'order-1', 1);
    },
  ),
  bad(
    'lost-write',
    'a command that appends nothing is told a version that was lost before it was sent',
    'Client c2 in operation 2 was told that Write is order-1@1, but the log ends at version 0: the write is lost.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.restore('order-1', 0);
      const outcome = { kind: 'acknowledged', stream: 'order-1', version: 1 } as const;
      clients.write('c2', 'order-1', { appends: 0, outcome });
    },
  ),
  bad(
    'lost-write',
    'an acknowledged command is gone that no restore has lost',
    'Client c1 in operation 3 was told that Write is order-1@3, but the log ends at version 1: the write is lost.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { outcome: { kind: 'acknowledged', stream: 'order-1', version: 3 } });
      clients.restore('order-1', 1);
    },
  ),
  bad(
    'refused-yet-applied',
    'a command is refused, and yet in the log until a restore loses it',
    'Client c1 in operation 2 was refused with wrong-state, but its Write is in the log as order-1@2.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { outcome: refused('wrong-state'), logs: 1 });
      clients.restore('order-1', 1);
    },
  ),
  bad(
    'one-outcome',
    'a key is applied twice after the restore',
    'The key k was applied twice: by client c1 in operation 3 as order-1@2, and by client c1 in operation 4 as order-1@3.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1', { key: 'k' });
      clients.restore('order-1', 1);
      clients.write('c1', 'order-1', { key: 'k' });
      clients.write('c1', 'order-1', { key: 'k' });
    },
  ),
  bad(
    'lost-write',
    'an object forgets what was written after the restore',
    'Client c2 in operation 4 was told that order-1 is at version 1, but client c2 in operation 3 had been shown version 2 before.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.write('c2', 'order-1');
      clients.write('c2', 'order-1', { expected: 2, outcome: refused('version-mismatch', 1) });
    },
  ),
  bad(
    'phantom',
    'an object shows what a restore has lost',
    'Client c2 in operation 3 was shown order-1 at version 2, but its log ends at 1: no command wrote that.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.read('c2', 'order-1', 2, { source: 'write-store' });
    },
  ),
  bad(
    'phantom',
    'a read model shows a version that neither log has had',
    'Client c2 in operation 3 was shown order-1 at version 3, but its log ends at 2: no command wrote that.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.write('c1', 'order-1');
      clients.restore('order-1', 1);
      clients.read('c2', 'order-1', 3);
    },
  ),
  bad(
    'read-your-writes',
    'a token that was shortened shows an older row, though all Workers know of the restore',
    'Client c1 in operation 4 read order-1 at version 1 (lookup), with the token of operation 3, whose past has version 2 (written by client c1 in operation 2).',
    (clients) => {
      clients.write('c1', 'order-1');
      const named = clients.write('c1', 'order-1');
      const token = clients.write('c1', 'order-2', { token: named, isShortened: true });
      clients.restore('order-1', 1);
      clients.read('c1', 'order-1', 1, { token });
    },
  ),
  bad(
    'read-your-writes',
    'a token that names a stream is answered from before it, since the database was set back',
    'Client c1 in operation 2 was told that order-1 is not there (lookup), with the token of operation 1, whose past has version 1 (written by client c1 in operation 1).',
    (clients) => {
      const token = clients.write('c1', 'order-1');
      clients.restoreDatabase('lookup');
      clients.read('c1', 'order-1', 0, { token });
    },
  ),
  bad(
    'monotonic-reads',
    'a list loses what every log has had that it may be of',
    'Client c2 in operation 3 got a list of lookup without order-1, with the token of operation 2, whose past has version 1 (seen by client c2 in operation 2); at that version, and at all that were written later, it matches "all".',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      const token = clients.list('c2', { 'order-1': 2 });
      clients.restore('order-1', 1);
      clients.list('c2', {}, { token });
    },
  ),
  bad(
    'wrong-row',
    'a list has a row that matches in neither log',
    'Client c2 in operation 3 got order-1 at version 2 in a list of lookup, which at that version does not match "all".',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      clients.restore('order-1', 1);
      clients.write('c1', 'order-1');
      clients.list('c2', { 'order-1': 2 });
    },
    { belongs: () => false },
  ),
  bad(
    'impossible-sum',
    'a sum counts both what was lost and what took its place',
    'Client c2 in operation 3 got events = 4 from sums, without a token; by what that has seen, and what had been written, it lies between 0 and 2.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      clients.restore('order-1', 0);
      clients.write('c1', 'order-1', { appends: 2 });
      clients.sum('c2', { events: 4 });
    },
  ),
  bad(
    'one-content',
    'one version has more contents than events',
    'order-1@1 was lost for client c1 in operation 2, and neither for client c3 in operation 5.',
    (clients) => {
      clients.write('c1', 'order-1');
      clients.read('c1', 'order-1', 1, { content: 'lost' });
      clients.restore('order-1', 0);
      clients.write('c1', 'order-1');
      clients.read('c2', 'order-1', 1, { content: 'present' });
      clients.read('c3', 'order-1', 1, { content: 'neither' });
    },
  ),
  bad(
    'feed-order',
    'a feed goes on from what was lost with what took its place',
    'Client c2 in operation 3 got order-1@3 from the feed right after an event that was lost before that one was recorded: no log ever had both.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      clients.restore('order-1', 1);
      clients.write('c1', 'order-1', { appends: 2 });
      clients.feed(
        'c2',
        [
          ['order-1', 1, 2],
          ['order-1', 3, 3],
        ],
        { idOf: (stream, version) => (version === 3 ? another(stream, version) : `${stream}@${version}`) },
      );
    },
  ),
  bad(
    'feed-complete',
    'a feed ends at what was lost, and the archive has not stopped',
    'Client c2 in operation 3 read the feed to its end when all was quiet, and got order-1 up to version 2 of 3.',
    (clients) => {
      clients.write('c1', 'order-1', { appends: 2 });
      clients.restore('order-1', 1);
      clients.write('c1', 'order-1', { appends: 2 });
      clients.feed('c2', [['order-1', 1, 2]], { isEnd: true, isLast: true });
    },
  ),
];

describe('after a log or a database was set back, the checker finds nothing in', () => {
  test.each(SOUND)('$name', ({ history, options }) => {
    expect(explain(checkHistory(history, options))).toBe('');
  });
});

describe('after a log or a database was set back, the checker objects if', () => {
  test.each(BAD)('$name ($check)', ({ history, options, check, why }) => {
    const violations = checkHistory(history, options);
    expect(violations.map((violation) => [violation.check, violation.why])).toEqual([[check, why]]);
  });
});
