import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const firstLine = /^# Written by "hearth install" \(([0-9a-f]{16})\)\. Once you change it, it is left alone\.\n/;

/** The text with a first line that tells later whether somebody has changed it. */
export function signed(text: string): string {
  return `# Written by "hearth install" (${checksum(text)}). Once you change it, it is left alone.\n${text}`;
}

/** `missing`; `ours` as it was written by this or another release; `changed` by an admin, or made by one. */
export function stateOf(path: string): 'missing' | 'ours' | 'changed' {
  const text = readIfThere(path);
  if (text === undefined) return 'missing';
  const [line = '', sum] = firstLine.exec(text) ?? [];
  return sum !== undefined && sum === checksum(text.slice(line.length)) ? 'ours' : 'changed';
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts a file in place, whole or not at all. Folders on the way are made readable for all. */
export function put(path: string, contents: string | Buffer, mode: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const fresh = `${path}.new`;
  writeFileSync(fresh, contents, { mode: 0o600 });
  chmodSync(fresh, mode); // whatever the umask says
  renameSync(fresh, path);
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
