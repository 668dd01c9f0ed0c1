import { accessTable } from '../access/access.ts';
import { archiveOf } from '../archive/archive.ts';
import { mergeProblems } from '../http/problem.ts';
import type { ProblemPages } from '../operations/meta-routes.ts';
import { apiOf } from '../runtime/api.ts';
import { ASSET, type AssetPath } from '../runtime/assets.ts';
import type { ApiInfo, WorkerOptions } from '../worker-options.ts';
import { openApiDocument } from './document.ts';
import { OPERATIONS_TAGS, operationDocs } from './operation-docs.ts';
import { problemTypes } from './problem-docs.ts';

/** An API without a title of its own. */
const ANY_API: ApiInfo = { title: 'Tidemark', description: 'Event-sourced at the edge.' };

/** What an API says of itself: the text of each static asset, by its path. */
export function describeApi<Env>(options: WorkerOptions<Env>): Readonly<Record<AssetPath, string>> {
  const { modules, bindings, info = ANY_API } = options;
  const archive = archiveOf(
    modules.map(({ aggregate }) => aggregate),
    bindings.archive,
    Math.random,
  );
  const access = accessTable(options.access);
  const { routes, events } = apiOf(modules, archive);
  const problems = mergeProblems(problemTypes, ...modules.map((module) => module.problems));
  const tags = Object.assign({}, ...modules.map((module) => module.tags), OPERATIONS_TAGS) as Record<string, string>;
  const pages: ProblemPages = Object.fromEntries(
    Object.entries(problems).map(([code, { status, title, advice }]) => [code, { code, status, title, advice }]),
  );
  return {
    [ASSET.openApi]: JSON.stringify(
      openApiDocument({ info, routes, docs: operationDocs(events), problems, tags, access }),
    ),
    [ASSET.problems]: JSON.stringify(pages),
  };
}
