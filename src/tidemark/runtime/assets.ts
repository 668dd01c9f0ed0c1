import type { Settings } from './settings.ts';

/** The static assets that the Worker reads itself. `npm run build:assets` makes them, and wrangler runs it before it serves or deploys. */
export const ASSET = { openApi: 'openapi.json', problems: 'problems.json' } as const;

export type AssetPath = (typeof ASSET)[keyof typeof ASSET];

/** Why the Worker cannot answer with its static assets, as sentences for an operator. */
export function assetComplaints({ ASSETS }: Settings): readonly string[] {
  if (ASSETS) return [];
  return ['the binding ASSETS is missing: `wrangler.toml` needs the sections [build] and [assets] of this release'];
}
