/**
 * Programs against a client that @hey-api/openapi-ts generates from the OpenAPI document: `npm run test:client`.
 *
 * It needs no server: the compiler says what the types are worth.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';

import { openApiText } from '../../scripts/openapi-document.ts';
import { domain } from '../../src/domain.ts';

const ROOT = join(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/.bin/tsc');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-client-'));

before(async () => {
  writeFileSync(join(folder, 'openapi.json'), openApiText());
  // The generator prints with the compiler's JavaScript API, which TypeScript 7 does not have: package.json of this folder has the one before.
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, specifier === 'typescript' ? { ...context, parentURL: import.meta.url } : context),
  });
  const { createClient } = await import('@hey-api/openapi-ts');
  await createClient({
    input: join(folder, 'openapi.json'),
    output: join(folder, 'client'),
    plugins: ['@hey-api/typescript', '@hey-api/sdk', '@hey-api/client-fetch'],
    logs: { level: 'silent' },
  });
});

after(() => rmSync(folder, { recursive: true }));

/** The programs that a domain has for its own client, in `test/<domain>/client/`: `must-compile.ts` and `must-not-compile.ts`. */
const PROGRAMS = globSync('test/*/client/*-compile.ts', { cwd: ROOT });

/** Compiles a program with the client beside it, and returns the lines at which it is refused. */
async function refusedLines(path: string): Promise<readonly string[]> {
  const program = basename(path);
  copyFileSync(join(ROOT, path), join(folder, program));
  return compiledWith(program);
}

async function compiledWith(program: string): Promise<readonly string[]> {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', types: [] },
      files: [program],
    }),
  );
  const output = await new Promise<string>((resolve) => {
    execFile(TSC, ['-p', folder, '--pretty', 'false'], { cwd: folder }, (_error, stdout) => resolve(stdout));
  });
  // A line that begins with spaces explains the one before it.
  const errors = output.split('\n').filter((line) => /^\S/.test(line));
  return errors.map((line) => line.replace(/^(\S+)\((\d+),\d+\): .*$/, '$1:$2'));
}

test('the client itself compiles', async () => {
  writeFileSync(join(folder, 'any.ts'), "export * from './client';\n");
  assert.deepEqual(await compiledWith('any.ts'), []);
});

for (const path of PROGRAMS.filter((name) => name.endsWith('/must-compile.ts'))) {
  test(`a program that uses the client as it is meant compiles: ${path}`, async () => {
    assert.deepEqual(await refusedLines(path), []);
  });
}

for (const path of PROGRAMS.filter((name) => name.endsWith('/must-not-compile.ts'))) {
  test(`a program with mistakes is refused at each of them, and nowhere else: ${path}`, async () => {
    const program = basename(path);
    const lines = readFileSync(join(ROOT, path), 'utf8').split('\n');
    const mistakes = lines.flatMap((line, index) => (/^\s*\/\/ Mistake/.test(line) ? [`${program}:${index + 2}`] : []));
    assert.ok(mistakes.length > 10);
    assert.deepEqual([...new Set(await refusedLines(path))], mistakes);
  });
}

// Without a module there is no event whose data could have a type.
test('no field that a text, a line or an event has is of an unknown type', { skip: domain.length === 0 }, () => {
  const types = readFileSync(join(folder, 'client/types.gen.ts'), 'utf8');
  const unknown = types.split('\n').filter((line) => /\bunknown;$/.test(line) && !line.includes('[key: string]'));
  assert.deepEqual(unknown, []);
});
