import { readFileSync } from 'node:fs';

/** One file of `test/vectors`; each says in `source` where its cases come from. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}
