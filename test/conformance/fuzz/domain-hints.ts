import type fc from 'fast-check';

import type { Operation } from '../../support/api-operations.ts';

/** Something that exists, as the cast knows it by a name; now and then another value. */
export type Existing = (kind: string, otherwise: fc.Arbitrary<string>) => fc.Arbitrary<unknown>;

/** What a domain adds, so that more of the requests get past its own refusals. */
export interface DomainHints {
  /** Values of a field by its name; undefined: the schema is enough. */
  readonly valuesOf: (operation: Operation, name: string, existing: Existing) => fc.Arbitrary<unknown> | undefined;
  /** Creates the first streams, beside the examples of the document. */
  readonly begin: (cast: {
    /** Remembers a value under the name that `existing` asks for. */
    readonly know: (kind: string, value: string) => void;
    /** Remembers the aggregate that an answer speaks of. */
    readonly learn: (answer: Response) => Promise<void>;
  }) => Promise<void>;
}

export const NO_HINTS: DomainHints = { valuesOf: () => undefined, begin: async () => undefined };
