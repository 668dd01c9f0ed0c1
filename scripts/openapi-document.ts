/** Gets the OpenAPI document of the system as text. */
import { system } from '../src/system.ts';
import { describeApi } from '../src/tidemark/openapi/describe-api.ts';
import { ASSET } from '../src/tidemark/runtime/assets.ts';

export function openApiText(): string {
  return describeApi(system)[ASSET.openApi];
}
