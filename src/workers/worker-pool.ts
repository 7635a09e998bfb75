import type { Worker } from 'node:worker_threads';
import { millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import { DiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';
import { startWorker } from './entry.ts';
import type { JobKind, Jobs, Request, Response } from './jobs.ts';

export interface WorkerPoolOptions {
  clock: Clock;
  log: Log;
}

interface Waiting {
  resolve: (output: never) => void;
  reject: (error: unknown) => void;
}

/** A thread costs some 10 MB: it ends when it has had nothing to do for so long. */
const IDLE = millis(10_000);
/** A checkpoint needs next to nothing; a job gone wild must not take the server's memory. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 };

/** One worker thread, started by the first job and ended when idle. More would cost memory that small boards lack. */
export class WorkerPool {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #ending = new Set<Promise<void>>();
  #nextId = 1;
  #cancelIdle: Cancel = () => {};
  /** Who needs the thread to stay for what it remembers between two jobs. */
  #holds = 0;
  #closed = false;

  constructor({ clock, log }: WorkerPoolOptions) {
    this.#clock = clock;
    this.#log = log.child('workers');
  }

  /**
   * Runs a job in the worker. Rejects with the job's error, or if the thread dies under it. What is `given` away is moved
   * there instead of copied.
   */
  run<K extends JobKind>(
    kind: K,
    input: Jobs[K]['input'],
    given: readonly ArrayBuffer[] = [],
  ): Promise<Jobs[K]['output']> {
    if (this.#closed) return Promise.reject(new Error('the workers have been closed'));
    this.#cancelIdle();
    const worker = this.#worker ?? this.#start();
    worker.ref();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const request: Request = { id, kind, input };
      worker.postMessage(request, given);
    });
  }

  /** Keeps the thread alive between jobs that build on each other, until the returned function is called. */
  hold(): () => void {
    this.#holds++;
    this.#cancelIdle();
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#holds--;
      this.#endWhenIdle();
    };
  }

  /** Whether a thread is running. */
  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** Lets the job under way finish and ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#end();
    await Promise.all(this.#ending);
  }

  #start(): Worker {
    // Our own arguments (`--test`, `--import`) are none of the worker's business; V8's flags hold for the process.
    const worker = startWorker({ execArgv: [], resourceLimits: LIMITS, name: 'hearth' });
    worker.on('message', (response: Response) => this.#answered(response));
    worker.on('error', (error) => this.#log.error('worker.failed', { error }));
    const gone = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        if (this.#worker === worker) this.#died();
        resolve();
      });
    });
    this.#ending.add(gone);
    void gone.then(() => this.#ending.delete(gone));
    this.#worker = worker;
    return worker;
  }

  #answered(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    this.#waiting.delete(response.id);
    this.#endWhenIdle();
    if ('error' in response) waiting?.reject(errorOf(response));
    else waiting?.resolve(response.output as never);
  }

  #endWhenIdle(): void {
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#cancelIdle();
    if (this.#holds === 0 && !this.#closed) this.#cancelIdle = this.#clock.after(IDLE, () => this.#end());
  }

  #end(): void {
    this.#cancelIdle();
    const worker = this.#worker;
    if (worker === undefined) return;
    // Requests are answered in order, so those already sent are done before the port closes.
    worker.postMessage('end');
    if (this.#waiting.size === 0) this.#worker = undefined;
    worker.ref();
  }

  #died(): void {
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new Error('the worker thread ended while it worked'));
  }
}

function errorOf({ error, isDiskFull }: Extract<Response, { error: unknown }>): unknown {
  return isDiskFull ? new DiskFull('The disk is full', { cause: error }) : error;
}
