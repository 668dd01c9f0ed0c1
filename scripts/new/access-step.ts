/** Declares the scopes of a new subject in `src/access.ts`. */
import { readText } from './file-changes.ts';
import type { AggregateNames } from './names.ts';
import { appendTo, asObject, parseSource, propertyOf, valueOf } from './source.ts';
import type { Step } from './step.ts';

const ACCESS = 'src/access.ts';

/** Adds a scope to read the aggregates, and one to change them. */
export function accessStep({ many }: AggregateNames): Step {
  const file = parseSource(ACCESS, readText(ACCESS));
  const table = asObject(valueOf(file, 'access'));
  const scopes = table && asObject(propertyOf(table, 'scopes'));
  const lines = [`'${many}:read': 'Read ${many}.'`, `'${many}:write': 'Change ${many}.'`];
  return {
    file,
    where: 'in `scopes`',
    lines: lines.map((line) => `${line},`),
    insertions: scopes && [appendTo(file, scopes, lines.join(',\n    '))],
  };
}
