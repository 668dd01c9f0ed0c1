import type { FeedOperation } from '../history.ts';
import { type Session, incompleteOf, outcomeOf } from './session.ts';
import type { World } from './world.ts';

/** Stops a reader that never reaches the end. */
const MAX_LAST_POLLS = 60;

/** How far one client has read the feed of all events. */
export class FeedReader {
  readonly #world: World;
  readonly #session: Session;
  /** How far it has read the feed: the cursor, and the poll that brought it. */
  #cursor: { readonly text: string; readonly from: number } | undefined;
  #hasBegun = false;
  #isAtEnd = false;

  constructor(world: World, session: Session) {
    this.#world = world;
    this.#session = session;
  }

  /** Goes on from where it was. `isLast`: all is quiet, so what does not come now never comes. */
  async poll(limit: number, isLast = false): Promise<void> {
    const cursor = this.#cursor;
    const path = `/events?limit=${limit}${cursor ? `&after=${encodeURIComponent(cursor.text)}` : ''}`;
    const headers = { Authorization: 'Bearer an-operations-key-for-tests-of-32-bytes' };
    this.#hasBegun = true;
    this.#isAtEnd = false;
    await this.#session.send({ method: 'GET', path, headers }, (sent, answer): FeedOperation => {
      // The answer says to begin again. A follower knows events by their ids.
      if (answer?.body['code'] === 'cursor-lost') {
        this.#cursor = undefined;
        this.#world.count('a reader of the feed began anew');
      }
      const outcome = outcomeOf(answer, (body) => {
        const items = body['items'] as readonly { id: string; source: string; streamversion: number }[];
        const events = items.map(({ id, source, streamversion: version }) => {
          return { id, stream: source.replace('/streams/', ''), version };
        });
        this.#cursor = { text: String(body['nextCursor']), from: sent.id };
        this.#isAtEnd = events.length < limit;
        this.#world.count(events.length > 0 ? 'feed with events' : 'feed without events');
        return { kind: 'events' as const, events, isEnd: this.#isAtEnd, incomplete: incompleteOf(answer) };
      });
      return { ...sent, kind: 'feed', readModel: 'archive', cursorFrom: cursor?.from ?? null, isLast, outcome };
    });
  }

  /** Reads it to its end, once all is quiet, where it has ever begun to. `settle` has the system do its part. */
  async finish(settle: () => Promise<void>): Promise<void> {
    if (!this.#hasBegun) return;
    this.#isAtEnd = false;
    for (let polls = 0; !this.#isAtEnd; polls += 1) {
      if (polls > MAX_LAST_POLLS) throw new Error('the end of the feed never comes');
      await this.poll(100, true);
      while (this.#session.isBusy) await settle();
    }
  }
}
