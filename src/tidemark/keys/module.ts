import { type AccessTable, accessTable } from '../access/access.ts';
import type { Group } from '../platform/group.ts';
import { module } from '../authoring/module.ts';
import type { Module } from '../authoring/registered-module.ts';
import { key } from './key.ts';
import { keyListIn } from './key-list.ts';
import { keyRoutes } from './key-routes.ts';

/**
 * The module of API keys: `/keys` creates, lists and revokes them. `group` has the tables of the list. A key can have the scopes of `access`.
 *
 *     export const domain = [seats, apiKeys(serving, access)];
 */
export function apiKeys(group: Group, access: Partial<AccessTable>): Module {
  const list = keyListIn(group);
  return module({
    aggregate: key,
    readModels: [list],
    routes: keyRoutes(list, accessTable(access)),
    tags: { keys: 'API keys: for programs that use the API.' },
  });
}
