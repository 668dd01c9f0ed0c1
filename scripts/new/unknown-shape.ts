/** A change that an author has to make by hand. */
export interface ByHand {
  /** From the top of the repository. */
  readonly path: string;
  /** Why the script does not make it: `has no list "domain"`. */
  readonly problem: string;
  /** The lines to add, and where. */
  readonly lines: readonly string[];
}

/** Files do not have the shape that a generator knows. Nothing was written. */
export class UnknownShapeError extends Error {
  override readonly name = 'UnknownShapeError';

  constructor(changes: readonly ByHand[]) {
    const parts = changes.map(({ path, problem, lines }) =>
      [`${path} ${problem}. Add by hand:`, ...lines.map((line) => `    ${line}`)].join('\n'),
    );
    super(['Nothing was written.', ...parts].join('\n\n'));
  }
}
