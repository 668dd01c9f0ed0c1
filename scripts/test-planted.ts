/**
 * Plants one bug after the other into what decides who may do what, and runs the tests of it: `npm run test:planted`. Each bug has to make a test fail.
 * `-- --only <text>` selects bugs by their names.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { PLANTED_IN_ACCESS } from './simulate/planted-in-access.ts';

/** The tests that have to catch the bugs. */
const TESTS = [
  'test/conformance/access.test.ts',
  'test/conformance/deployment.test.ts',
  'test/shop/conformance/access.test.ts',
  'test/tidemark/access',
  'test/tidemark/http/rate-limits.test.ts',
  'test/tidemark/write/aggregate-owner.test.ts',
];

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const folder = mkdtempSync(join(tmpdir(), 'tidemark-planted-'));
let missed = 0;

/** The names of the tests that fail. `bug`: with this bug. */
function failures(bug: string | undefined): readonly string[] {
  const outputFile = join(folder, 'report.json');
  spawnSync('vitest', ['run', ...TESTS, '--reporter=json', `--outputFile=${outputFile}`], {
    stdio: 'ignore',
    env: { ...process.env, ...(bug !== undefined && { PLANTED: bug }) },
  });
  const { testResults } = JSON.parse(readFileSync(outputFile, 'utf8')) as Report;
  // A file that cannot even be loaded says nothing about its tests.
  const broken = testResults.find(({ assertionResults }) => assertionResults.length === 0);
  if (broken) throw new Error(`with the bug "${bug}", a file has no tests: ${broken.message}`);
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
}

const without = failures(undefined);
if (without.length > 0) throw new Error(`without any bug, these tests fail: ${without.join('; ')}`);
for (const { name } of PLANTED_IN_ACCESS.filter((bug) => bug.name.includes(values.only))) {
  const failed = failures(name);
  if (failed.length === 0) missed += 1;
  console.log(failed.length === 0 ? `MISSED  ${name}` : `caught  ${name}\n        by ${failed[0]} (${failed.length})`);
}
if (missed > 0) process.exit(1);
