import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * How a thread or a helper process is named in the source: the address of a `…-main.ts` file.
 * `new Worker(new URL('./checkpoint-main.ts', import.meta.url))`
 */
const entryPoint = /new URL\(\s*'([^']*\/)?([a-z0-9-]+-main)\.ts'\s*,\s*import\.meta\.url\s*,?\s*\)/g;

/** In the bundle all entry points lie in one folder, as CommonJS. */
export function renameEntryPoints(source: string): string {
  return source.replace(entryPoint, (_, _folder, name: string) => `new URL('./${name}.cjs', import.meta.url)`);
}

/** The files that the source names as entry points; throws if one of them is missing or a name is used twice. */
export function findEntryPoints(folder: string): { in: string; out: string }[] {
  const files = globSync('**/*.ts', { cwd: folder });
  const mains = new Map<string, string>();
  for (const file of files.filter((each) => each.endsWith('-main.ts'))) {
    const name = basename(file, '.ts');
    if (mains.has(name)) throw new Error(`two entry points are called ${name}`);
    mains.set(name, join(folder, file));
  }
  const named = new Set<string>();
  for (const file of files) {
    for (const match of readFileSync(join(folder, file), 'utf8').matchAll(entryPoint)) named.add(match[2] ?? '');
  }
  return [...named].toSorted().map((name) => {
    const path = mains.get(name);
    if (path === undefined) throw new Error(`the entry point ${name}.ts is named but not there`);
    return { in: path, out: name };
  });
}
