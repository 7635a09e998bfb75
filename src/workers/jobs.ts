import { type CheckpointResult, checkpointFile } from '../store/durability/checkpoints.ts';
import { type FileSizes, measureFile, type SizesRequest } from '../store/limits/room-sizes.ts';
import { type BackupAnswer, type BackupRequest, runBackupJob } from './backup-jobs.ts';
import { type MediaAnswer, type MediaRequest, runMediaJob } from './media-jobs.ts';
import { type ResolutionAnswer, type ResolutionRequest, resolveBeside } from './resolution-job.ts';
import { runSpoolJob, type SpoolAnswer, type SpoolRequest } from './spool/spool-jobs.ts';

/** What a worker can be asked for: a name, what it is given, what it answers. Both are copied between threads. */
export interface Jobs {
  checkpoint: { input: string; output: CheckpointResult };
  media: { input: MediaRequest; output: MediaAnswer };
  backup: { input: BackupRequest; output: BackupAnswer };
  ledger: { input: SizesRequest; output: FileSizes };
  spool: { input: SpoolRequest; output: SpoolAnswer };
  resolution: { input: ResolutionRequest; output: ResolutionAnswer };
}

export type JobKind = keyof Jobs;

/** The worker's side of each. */
const jobs: { readonly [K in JobKind]: (input: Jobs[K]['input']) => Jobs[K]['output'] } = {
  checkpoint: checkpointFile,
  media: runMediaJob,
  backup: runBackupJob,
  ledger: measureFile,
  spool: runSpoolJob,
  resolution: resolveBeside,
};

export interface Request<K extends JobKind = JobKind> {
  id: number;
  kind: K;
  input: Jobs[K]['input'];
}

export function runJob<K extends JobKind>({ kind, input }: Request<K>): Jobs[K]['output'] {
  return jobs[kind](input);
}

/** `isDiskFull`: an error is copied between threads without its code. */
export type Response =
  | { id: number; output: Jobs[JobKind]['output'] }
  | { id: number; error: unknown; isDiskFull: boolean };
