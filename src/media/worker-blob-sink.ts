import type { Clock } from '../util/clock.ts';
import type { MediaRequest } from '../workers/media-jobs.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import type { BlobSink, BlobUpload } from './blob-sink.ts';

/** How many pieces of an upload may be on their way to the worker: what it holds in memory. */
const credit = 4;
/** And how many of all uploads, as the worker takes one after the other: some 2 MB. */
const creditOfAll = 32;

/** The writer of media.db behind the worker's port. */
export class WorkerBlobSink implements BlobSink {
  readonly #workers: WorkerPool;
  readonly #file: string;
  readonly #clock: Clock;
  /** Who needs everything to stay as it is for a while. */
  #pauses = 0;
  /** Pieces on their way, and who waits with the next, the first to come first. */
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: { workers: WorkerPool; file: string; clock: Clock }) {
    this.#workers = options.workers;
    this.#file = options.file;
    this.#clock = options.clock;
  }

  async begin(): Promise<BlobUpload> {
    // The worker remembers the hash so far: it may not end between two pieces.
    const release = this.#workers.hold();
    try {
      const { nid } = await this.#run({ op: 'begin', file: this.#file, created: this.#clock.now() });
      if (nid === undefined) throw new Error('the media writer began no blob');
      return this.#upload(nid, release);
    } catch (problem) {
      release();
      throw problem;
    }
  }

  async page(nid: number, createdBefore: number, limit: number): Promise<{ nid: number; content: Buffer }[]> {
    const { page } = await this.#run({ op: 'page', file: this.#file, after: nid, createdBefore, limit });
    return (page ?? []).map((blob) => ({ nid: blob.nid, content: Buffer.from(blob.content) }));
  }

  async delete(contents: readonly Buffer[], createdBefore: number): Promise<void> {
    // What is left is found by the next sweep.
    if (this.#pauses > 0) return;
    await this.#run({ op: 'delete', file: this.#file, contents, createdBefore });
  }

  /** Nothing is deleted until the returned function is called. */
  pauseDeletion(): () => void {
    this.#pauses++;
    let ended = false;
    return () => {
      if (!ended) this.#pauses--;
      ended = true;
    };
  }

  #upload(nid: number, release: () => void): BlobUpload {
    const file = this.#file;
    const pending: Promise<unknown>[] = [];
    let failure: { cause: unknown } | undefined;
    return {
      write: async (data) => {
        await this.#turn();
        // A copy of its own: sending a piece of a larger buffer would send all of that.
        const sent = this.#run({ op: 'append', file, nid, data: new Uint8Array(data) }).catch((cause: unknown) => {
          failure ??= { cause };
        });
        void sent.finally(() => this.#next());
        pending.push(sent);
        if (pending.length >= credit) await pending.shift();
        if (failure !== undefined) throw failure.cause;
      },
      finish: async () => {
        try {
          await Promise.all(pending);
          if (failure !== undefined) throw failure.cause;
          const { written } = await this.#run({ op: 'finish', file, nid, finished: this.#clock.now() });
          if (written === undefined) throw new Error('the media writer finished no blob');
          return { content: Buffer.from(written.content), size: written.size };
        } finally {
          release();
        }
      },
      abort: async () => {
        try {
          await Promise.all(pending);
          await this.#run({ op: 'abort', file, nid });
        } finally {
          release();
        }
      },
    };
  }

  /** Resolves when one more piece may be sent. */
  async #turn(): Promise<void> {
    if (this.#underWay >= creditOfAll) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay++;
  }

  /** A piece has arrived: the next takes its place. */
  #next(): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#underWay--;
    else waiting();
  }

  #run(request: MediaRequest) {
    return this.#workers.run('media', request);
  }
}
