import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Starts the worker's program: a source file under plain Node, a file of its own beside the bundle. */
export function startWorker(options: WorkerOptions): Worker {
  return new Worker(new URL('./worker-main.ts', import.meta.url), options);
}
