import type { Log } from '../../util/log.ts';
import { type Connection, openCheckpointer, PAGE_SIZE } from '../database/connection.ts';

/** What one checkpoint left: frames in the WAL, and how many of them are copied into the database. */
export interface CheckpointResult {
  busy: number;
  log: number;
  checkpointed: number;
}

/** Does a PASSIVE checkpoint of the database file somewhere else than on this thread. */
export type RemoteCheckpoint = (file: string) => Promise<CheckpointResult>;

/** From here on a checkpoint is worth its two syncs. */
const SOFT_FRAMES = (4 * 1024 * 1024) / PAGE_SIZE;
/** Here the writer stops and waits: the WAL's size on a small disk, and the time to look a page up in it, are bounded. */
const HARD_FRAMES = (64 * 1024 * 1024) / PAGE_SIZE;
/** After a try in vain, somebody reads from an old place in the WAL and may do so for long: it grows by this until the next. */
const GROWTH_FRAMES = HARD_FRAMES / 4;
/** How long the writer waits for such a reader. */
const READER_PATIENCE_MS = 250;
/** Asking for the WAL's size costs a few microseconds; after every so many commits is enough. */
const LOOK_EVERY = 16;
/** While writes go on, each pass leaves what was written during it; the next is shorter. */
const PASSES = 4;

/**
 * Decides when the WAL is copied into the database. PASSIVE checkpoints run elsewhere while the writer goes on; only
 * when they cannot keep up, the writer does one itself.
 */
export class Checkpoints {
  readonly #connection: Connection;
  readonly #log: Log;
  readonly #state;
  #remote: RemoteCheckpoint | undefined;
  #commits = 0;
  #hardFrames = HARD_FRAMES;
  #running: Promise<void> | undefined;

  constructor(connection: Connection, log: Log) {
    this.#connection = connection;
    this.#log = log;
    this.#state = connection.prepare<[], CheckpointResult>('PRAGMA wal_checkpoint(NOOP)');
  }

  /** Without one, checkpoints run on this thread: enough for the command line. */
  use(remote: RemoteCheckpoint | undefined): void {
    this.#remote = remote;
  }

  /** To be called after each commit. */
  committed(): void {
    this.#commits++;
    if (this.#commits < LOOK_EVERY) return;
    this.#commits = 0;
    const { log, checkpointed } = this.pending();
    if (log < HARD_FRAMES) this.#hardFrames = HARD_FRAMES;
    if (log >= this.#hardFrames) this.#blocking(log);
    else if (log - checkpointed >= SOFT_FRAMES) this.#passive();
  }

  /** A write found no space on the disk: once the WAL is copied, the next ones have all of its length. */
  full(): void {
    this.#passive();
  }

  pending(): CheckpointResult {
    return this.#state.get() ?? { busy: 0, log: 0, checkpointed: 0 };
  }

  /** Resolves when no checkpoint is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #passive(): void {
    if (this.#running !== undefined) return;
    const remote = this.#remote;
    if (remote === undefined) {
      this.#connection.pragma('wal_checkpoint(PASSIVE)');
      return;
    }
    this.#running = this.#passes(remote)
      .catch((error: unknown) => this.#log.warn('store.checkpoint_failed', { error }))
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #passes(remote: RemoteCheckpoint): Promise<void> {
    for (let pass = 0; pass < PASSES; pass++) {
      await remote(this.#connection.name);
      if (!this.#connection.open) return;
      const { log, checkpointed } = this.pending();
      // The next write starts the WAL again at the front, if nobody still reads from it.
      if (checkpointed >= log) return;
    }
  }

  #blocking(frames: number): void {
    const patience = this.#connection.pragma('busy_timeout', { simple: true }) as number;
    this.#connection.pragma(`busy_timeout = ${READER_PATIENCE_MS}`);
    const [result] = this.#connection.pragma('wal_checkpoint(FULL)') as CheckpointResult[];
    this.#connection.pragma(`busy_timeout = ${patience}`);
    this.#hardFrames = frames + GROWTH_FRAMES;
    this.#log.warn('store.blocking_checkpoint', { ...result });
  }
}

/** The worker's side: one PASSIVE checkpoint over a connection of its own, which never is the last one to close. */
export function checkpointFile(file: string): CheckpointResult {
  const connection = openCheckpointer(file);
  try {
    const [result] = connection.pragma('wal_checkpoint(PASSIVE)') as CheckpointResult[];
    return result ?? { busy: 1, log: 0, checkpointed: 0 };
  } finally {
    connection.close();
  }
}
