/** The program of a worker thread: answers one request after the other until its port is closed. */
import { parentPort } from 'node:worker_threads';
import { isDiskFull } from '../util/disk-full.ts';
import { type Request, type Response, runJob } from './jobs.ts';
import { closeMediaWriters } from './media-jobs.ts';
import { closeSpools } from './spool/spool-jobs.ts';

parentPort?.on('message', (request: Request | 'end') => {
  if (request === 'end') {
    closeMediaWriters();
    closeSpools();
    parentPort?.close();
    return;
  }
  parentPort?.postMessage(answer(request));
});

function answer(request: Request): Response {
  const { id } = request;
  try {
    return { id, output: runJob(request) };
  } catch (error) {
    return { id, error, isDiskFull: isDiskFull(error) };
  }
}
