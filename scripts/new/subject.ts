/** Finds the files of an aggregate that exists. */
import { globSync } from 'node:fs';
import { posix } from 'node:path';

import type { ObjectExpression } from 'oxc-parser';

import { domain } from '../../src/domain.ts';
import type { AnyAggregate } from '../../src/tidemark/authoring/aggregate.ts';
import type { CommandDeclarations } from '../../src/tidemark/authoring/command-declarations.ts';
import type { Module } from '../../src/tidemark/authoring/registered-module.ts';
import { ROOT, readText } from './file-changes.ts';
import { type AggregateNames, namesOf } from './names.ts';
import { type Source, argumentsOf, asObject, nameOf, nodesOf, parseSource, propertyOf, stringOf } from './source.ts';

/** One subject of the domain, as it runs and as it is written. */
export interface Subject {
  readonly names: AggregateNames;
  readonly module: Module;
  readonly aggregate: AnyAggregate;
  readonly commands: CommandDeclarations;
  /** All files of the domain. */
  readonly sources: readonly Source[];
  /** The file of the aggregate, its variable there, and the declaration. */
  readonly file: Source;
  readonly variable: string;
  readonly declaration: ObjectExpression;
  /** `src/tickets`, and the folder of its tests. */
  readonly folder: string;
  readonly tests: string;
}

/** Finds the subject of an aggregate. Throws if there is none, or if its declaration is not found. */
export function subjectOf(category: string): Subject {
  const module = domain.find(({ aggregate }) => aggregate.category === category);
  if (!module) {
    const categories = domain.map(({ aggregate }) => aggregate.category).join(', ');
    throw new Error(`There is no aggregate "${category}". The aggregates are: ${categories}.`);
  }
  const aggregate = module.aggregate as AnyAggregate;
  const paths = globSync('src/*/**/*.ts', { cwd: ROOT, exclude: ['src/tidemark/**'] }).map((path) =>
    path.replaceAll('\\', '/'),
  );
  const sources = paths.toSorted().map((path) => parseSource(path, readText(path)));
  for (const file of sources) {
    for (const node of nodesOf(file.tree)) {
      if (node.type !== 'VariableDeclarator') continue;
      const variable = nameOf(node.id);
      const declaration = asObject(argumentsOf(node.init, 'aggregate')?.[0]);
      if (variable === undefined || !declaration) continue;
      if (stringOf(propertyOf(declaration, 'category')) !== category) continue;
      const folder = posix.dirname(file.path);
      return {
        names: namesOf(category, posix.basename(folder)),
        module,
        aggregate,
        commands: aggregate.commands as CommandDeclarations,
        sources,
        file,
        variable,
        declaration,
        folder,
        tests: folder.replace(/^src\//, 'test/'),
      };
    }
  }
  throw new Error(
    `No file of src/ declares the aggregate "${category}" with \`aggregate({ category: '${category}', … })\`.`,
  );
}

/** The declaration `module({ … })` of a subject, with its file. */
export function moduleOf({ sources, folder, variable }: Subject) {
  for (const file of sources.filter(({ path }) => posix.dirname(path) === folder)) {
    for (const node of nodesOf(file.tree)) {
      const declaration = asObject(argumentsOf(node, 'module')?.[0]);
      if (declaration && nameOf(propertyOf(declaration, 'aggregate')) === variable) return { file, declaration };
    }
  }
  throw new Error(
    `No file of ${folder} declares the module of "${variable}" with \`module({ aggregate: ${variable}, … })\`.`,
  );
}
