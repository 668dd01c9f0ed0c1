/**
 * Lints the OpenAPI document with the recommended rules of redocly and spectral: `npm run lint:openapi`. Warnings fail too.
 */
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';

import { domain } from '../src/domain.ts';
import { openApiText } from './openapi-document.ts';

async function byRedocly(text: string): Promise<readonly string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const found = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
  return found.map(({ ruleId, message, location }) => `redocly ${ruleId} at ${location[0]?.pointer ?? ''}: ${message}`);
}

async function bySpectral(text: string): Promise<readonly string[]> {
  const linter = new spectral.Spectral();
  // The types of the two packages do not match.
  linter.setRuleset({ extends: [[rulesets.oas as never, 'recommended']] });
  const found = await linter.run(JSON.parse(text) as Record<string, unknown>);
  return found.map(({ code, message, path }) => `spectral ${code} at ${path.join('/')}: ${message}`);
}

const text = openApiText();
// The framework's headers are there before the first route that uses them.
const isUnusedHeader = (fault: string) => /unused-components? at #?\/?components\/(headers|parameters)\//.test(fault);
// Without a module there is no event, so the union of all events has no member.
const isEmptyUnion = (fault: string) => domain.length === 0 && fault.includes('oneOf');
// Spectral has this rule from OpenAPI 3.0, where only OAuth names scopes. In 3.1, any scheme may name what a caller needs.
const isScope = (fault: string) => fault.includes('oas3-operation-security-defined') && fault.includes('among scopes');
const faults = [...(await byRedocly(text)), ...(await bySpectral(text))].filter(
  (fault) => !isUnusedHeader(fault) && !isEmptyUnion(fault) && !isScope(fault),
);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log('The OpenAPI document follows the recommended rules of redocly and spectral.');
