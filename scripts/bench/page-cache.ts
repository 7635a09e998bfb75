import { execFileSync } from 'node:child_process';

/**
 * Has the file written out and taken from the page cache: one that was just written lies there in larger pieces than
 * one that was read, and a process that maps it then seems tens of megabytes larger.
 */
export function dropFromCache(file: string): void {
  execFileSync('sync', [file]);
  execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}
