const MOST = { namespace_id: '0', simple: { limit: 1_000_000, period: 10 } } as const;

/** Rate limits for tests, which send more than a client may. test/tidemark/http/rate-limits.test.ts has limits of its own. */
export const UNLIMITED = { ADDRESS_RATE_LIMIT: MOST, CALLER_RATE_LIMIT: MOST };
