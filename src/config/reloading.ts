import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';
import { definition } from './definition/definition.ts';
import { camelKey, type Shape } from './definition/field.ts';

/** Keys, and tables with all their keys, that a running server takes over. All others wait for a restart. */
const reloadable: readonly string[] = [
  'federation.allow',
  'federation.deny',
  'limits.room',
  'log.level',
  'rate_limits',
];

/** Whether SIGHUP takes over a change of a key, such as `limits.room.max_members`. */
export function isReloadable(key: string): boolean {
  return reloadable.some((each) => key === each || key.startsWith(`${each}.`));
}

/** The keys whose values differ, as the configuration file has them: `rooms.default_version`. Sorted. */
export function changedKeys(before: Config, after: Config): string[] {
  return fieldPaths(definition)
    .filter((path) => !isDeepStrictEqual(valueAt(before, path), valueAt(after, path)))
    .map((path) => path.join('.'))
    .toSorted();
}

/** The paths of all keys that are no tables; an array of tables counts as one. */
export function fieldPaths(shape: Shape, path: readonly string[] = []): string[][] {
  return Object.entries(shape).flatMap(([key, member]) =>
    member.node === 'table' ? fieldPaths(member.shape, [...path, key]) : [[...path, key]],
  );
}

export function valueAt(config: Config, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of path) value = (value as Record<string, unknown>)[camelKey(key)];
  return value;
}
