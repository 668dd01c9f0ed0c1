import type { Operation } from './history.ts';

/** A version of a stream, and the operation that put it into the token. */
export interface Seen {
  readonly version: number;
  readonly by: Operation;
}

/** A figure of a sum that only grows, and the operation that saw it. */
export interface SeenFigure {
  readonly value: bigint;
  readonly by: Operation;
}

/** What a token vouches for. */
export interface CausalPast {
  /** A write, or a seen version of one resource: it holds in every read model. */
  readonly everywhere: ReadonlyMap<string, Seen>;
  /** What a read model has shown: it holds within that read model. */
  within(readModel: string): ReadonlyMap<string, Seen>;
  figure(name: string): SeenFigure | undefined;
  /** The token has left streams out for which bookmarks vouch. */
  readonly isShortened: boolean;
}

/**
 * The causal past along one path of the tree of tokens (each operation's token goes back to the one that it sent). One mutable past and a
 * journal to undo what a branch added, so that a walk over the whole tree costs what the operations add, not a copy for each of them.
 */
export class CausalPastOfPath implements CausalPast {
  everywhere = new Map<string, Seen>();
  isShortened = false;
  #within = new Map<string, Map<string, Seen>>();
  #figures = new Map<string, SeenFigure>();
  #journal: (() => void)[] = [];

  /** Where to go back to with `undoTo`. */
  get mark(): number {
    return this.#journal.length;
  }

  undoTo(mark: number): void {
    while (this.#journal.length > mark) this.#journal.pop()?.();
  }

  within(readModel: string): Map<string, Seen> {
    let streams = this.#within.get(readModel);
    if (!streams) this.#within.set(readModel, (streams = new Map()));
    return streams;
  }

  figure(name: string): SeenFigure | undefined {
    return this.#figures.get(name);
  }

  seeEverywhere(stream: string, seen: Seen): void {
    this.#raise(this.everywhere, stream, seen, (before) => before.version < seen.version);
  }

  seeWithin(readModel: string, stream: string, seen: Seen): void {
    this.#raise(this.within(readModel), stream, seen, (before) => before.version < seen.version);
  }

  seeFigure(name: string, seen: SeenFigure): void {
    this.#raise(this.#figures, name, seen, (before) => before.value < seen.value);
  }

  /** A copy of its current content, for another path. */
  copy(): CausalPastOfPath {
    const copy = new CausalPastOfPath();
    copy.takeUp(this);
    return copy;
  }

  /** Adds all that another token vouches for: two tokens that were sent together. */
  takeUp(other: CausalPastOfPath): void {
    for (const [stream, seen] of other.everywhere) this.seeEverywhere(stream, seen);
    for (const [readModel, streams] of other.#within) {
      for (const [stream, seen] of streams) this.seeWithin(readModel, stream, seen);
    }
    for (const [name, seen] of other.#figures) this.seeFigure(name, seen);
    if (other.isShortened) this.shorten();
  }

  /** The token dropped streams and said so: from here on nothing is sure to be in it. What databases have shown stays, by their bookmarks. */
  forgetStreams(): void {
    const { everywhere } = this;
    this.#journal.push(() => (this.everywhere = everywhere));
    this.everywhere = new Map();
  }

  /** The token left streams out that databases have reached: their bookmarks vouch for them. */
  shorten(): void {
    const { isShortened } = this;
    this.#journal.push(() => (this.isShortened = isShortened));
    this.isShortened = true;
  }

  /** A token that knows nothing. */
  forgetAll(): void {
    this.forgetStreams();
    const [within, figures, isShortened] = [this.#within, this.#figures, this.isShortened];
    this.#journal.push(() => {
      [this.#within, this.#figures, this.isShortened] = [within, figures, isShortened];
    });
    [this.#within, this.#figures, this.isShortened] = [new Map(), new Map(), false];
  }

  #raise<Value>(map: Map<string, Value>, key: string, value: Value, isHigher: (before: Value) => boolean): void {
    const before = map.get(key);
    if (before !== undefined && !isHigher(before)) return;
    map.set(key, value);
    this.#journal.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
  }
}
