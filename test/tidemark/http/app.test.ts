import { describe, expect, it } from 'vitest';

import { bindings } from '../../../src/bindings.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';
import { seats } from '../../guides/seats/module.ts';
import { platform } from '../../support/platform.ts';
import { tallies } from '../../support/tally-routes.ts';

/** Two modules, the first one changed. */
function domainWith(change: (module: Module) => Partial<Module>): readonly Module[] {
  return [{ ...seats, ...change(seats) }, tallies];
}

describe('a Worker with contradictory routes does not load', () => {
  it('if a route may answer with a problem that no module has', () => {
    const modules = domainWith(() => ({ problems: {} }));
    expect(() => tidemark({ modules, bindings, platform })).toThrow(
      'POST /seats may answer with "seat-exists", which no module declares as a problem',
    );
  });

  it('if two routes have the same operation id', () => {
    const modules = domainWith(({ routes }) => ({ routes: [...routes, ...routes.slice(0, 1)] }));
    expect(() => tidemark({ modules, bindings, platform })).toThrow(/^two routes have the operation id "\w+"$/);
  });
});
