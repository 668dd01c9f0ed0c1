import { expect, it } from 'vitest';

import { EMPTY_TOKEN, withVersion } from '../../../src/tidemark/queries/causal-token.ts';
import { tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { HEADER_DOCS } from '../../../src/tidemark/openapi/header-docs.ts';
import { HEADER } from '../../../src/tidemark/http/headers.ts';

const codec = tokenCodec(['a secret of no deployment, for an example']);

it('the example of a causal token is a valid token', async () => {
  const example = String(HEADER_DOCS[HEADER.causalToken]?.example);
  const seen = withVersion(EMPTY_TOKEN, 'order-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a' as StreamId, 2);
  expect(await codec.decode(example)).toEqual(seen);
});
