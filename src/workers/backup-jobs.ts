import { checkTable, contentsOf, prepareCopy, tablesOf } from '../store/backup/copied-database.ts';
import { copyBlobs } from '../store/backup/copied-media.ts';

/** The steps of a backup that take long and touch only files of the backup, or media.db for reading. */
export type BackupRequest =
  | { readonly op: 'prepare'; readonly file: string; readonly ownServer: string | undefined }
  | { readonly op: 'check'; readonly file: string; readonly table: string }
  | { readonly op: 'contents'; readonly file: string; readonly after: Uint8Array; readonly limit: number }
  | { readonly op: 'copy'; readonly from: string; readonly to: string; readonly contents: readonly Uint8Array[] };

export interface BackupAnswer {
  readonly tables?: string[];
  readonly problems?: string[];
  readonly contents?: Uint8Array[];
  /** How many of the blobs are not there. */
  readonly missing?: number;
}

export function runBackupJob(request: BackupRequest): BackupAnswer {
  switch (request.op) {
    case 'prepare':
      prepareCopy(request.file, request.ownServer);
      return { tables: tablesOf(request.file) };
    case 'check':
      return { problems: checkTable(request.file, request.table) };
    case 'contents':
      return { contents: contentsOf(request.file, request) };
    case 'copy':
      return { missing: copyBlobs(request.from, request.to, request.contents).length };
  }
}
