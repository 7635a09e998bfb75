import { resolve } from 'node:path';
import type { Shape } from './definition/field.ts';
import type { Entries, Origin } from './sources.ts';

/**
 * Secrets that the service manager hands over (`LoadCredential=` of systemd): files in a folder of their own, named like
 * the keys: `registration.shared_secret`. Those that are there are answered.
 * @see https://systemd.io/CREDENTIALS/
 */
export function findCredentials(
  definition: Shape,
  folder: string | undefined,
  readFile: (path: string) => string,
): Entries {
  const entries: Entries = new Map();
  if (folder === undefined || folder === '') return entries;
  for (const key of secretKeys(definition)) {
    if (!canRead(resolve(folder, key), readFile)) continue;
    const origin: Origin = { source: `credential ${key}`, folder, lineOf: () => undefined };
    entries.set(key, { value: key, origin, isFile: true, isExplicit: true });
  }
  return entries;
}

function secretKeys(shape: Shape, prefix = ''): string[] {
  return Object.entries(shape).flatMap(([key, member]) => {
    if (member.node === 'table') return secretKeys(member.shape, `${prefix}${key}.`);
    return member.secret ? [prefix + key] : [];
  });
}

function canRead(path: string, readFile: (path: string) => string): boolean {
  try {
    readFile(path);
    return true;
  } catch {
    return false;
  }
}
