import { describe, expect, it } from 'vitest';

import { isLoopback } from '../../../src/tidemark/access/loopback.ts';

describe('the names of this machine', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.9', '[::1]'])('%s is one', (name) => {
    expect(isLoopback(name)).toBe(true);
  });

  it.each(['', 'localhost.example', 'x.localhost', '127.0.0.1.example', '128.0.0.1', '0.0.0.0', '[::]', '10.0.0.1'])(
    '%j is none',
    (name) => {
      expect(isLoopback(name)).toBe(false);
    },
  );
});
