/** Stands in for `src/workers/entry.ts`: the worker's program comes from inside the executable. */
import { getAsset } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { nativeFolder } from '../../src/util/native-folder.ts';

export function startWorker(options: WorkerOptions): Worker {
  const program = getAsset('worker.cjs', 'utf8');
  return new Worker(program, { ...options, eval: true, workerData: { nativeFolder: nativeFolder() } });
}
