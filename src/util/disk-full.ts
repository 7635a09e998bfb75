import { millis } from './brand.ts';

/** How long work rests that goes on by itself when not even its failure can be noted. */
export const diskRest = millis(30_000);

/** There is no space on the disk: what was to be written is not, and what was there before is as it was. */
export class DiskFull extends Error {
  override readonly name = 'DiskFull';
}

/** SQLite's word for it, and the system's. */
const codes: ReadonlySet<unknown> = new Set(['SQLITE_FULL', 'ENOSPC', 'EDQUOT']);

/** Whether something failed for want of space on the disk, whoever noticed it. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof DiskFull || ('code' in error && codes.has(error.code));
}
