import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The commit that is checked out in `root`; empty if there is no history, as in an unpacked archive. */
export function commit(root: string): string {
  return git(root, 'rev-parse', '--short=12', 'HEAD');
}

/** When that commit was made, in milliseconds since the Unix epoch, the same wherever it is built; 0 likewise. */
export function committed(root: string): number {
  return Number(git(root, 'show', '-s', '--format=%ct', 'HEAD')) * 1000;
}

function git(root: string, ...args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

/** Throws unless the running Node is the one that is pinned: it is what gets built in. */
export function checkNode(root: string): void {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const pinned = optionalDependencies[`node-linux-${process.arch}`];
  if (process.version !== `v${pinned}`) {
    throw new Error(`this is Node ${process.version}, but v${pinned} is pinned; start by "npm run build"`);
  }
}
