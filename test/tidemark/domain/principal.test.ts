import { describe, expect, it } from 'vitest';

import { ACTOR_KINDS, type Actor, actorText, parseActor } from '../../../src/tidemark/domain/principal.ts';

describe('the text of an actor', () => {
  it.each(ACTOR_KINDS)('is read back as the same %s', (kind) => {
    for (const id of ['ada', 'staff/7335d417', 'https://id.example|7:x', 'ümlaut']) {
      const actor: Actor = { kind, id };
      expect(parseActor(actorText(actor))).toEqual(actor);
    }
  });

  it.each(['anonymous', '', 'usher', ':', 'user', 'guest:ada', 'User:ada'])(
    'from before authentication names nobody who was verified: %j',
    (text) => {
      expect(parseActor(text)).toEqual({ kind: 'anonymous', id: text });
      expect(actorText(parseActor(text))).toBe(text);
    },
  );
});
