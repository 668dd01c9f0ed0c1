import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './file-changes.ts';

/** Checks the name of a folder of `src/`. Throws for a name that cannot be one, and for a folder that is a subject itself. */
export function areaOf(area: string | undefined): string | undefined {
  if (area === undefined) return undefined;
  if (!/^[a-z][a-z0-9-]*$/.test(area) || area === 'tidemark')
    throw new Error(`--in must be a folder of src/ beside tidemark, for example desk, not "${area}".`);
  if (existsSync(join(ROOT, 'src', area, 'module.ts'))) throw new Error(`src/${area} is a subject itself.`);
  return area;
}
