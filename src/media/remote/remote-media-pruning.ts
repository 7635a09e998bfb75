import type { Database } from '../../store/db.ts';
import type { KeptRow, MediaStore } from '../../store/media/media-store.ts';
import type { Millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { BlobSink } from '../blob-sink.ts';

export interface PruningUses {
  readonly db: Database;
  readonly store: MediaStore;
  readonly sink: BlobSink;
  readonly clock: Clock;
  /** How long a file is kept after it was last asked for. */
  readonly maxAge: Millis;
  /** Bytes that all files of other servers may take; without it only age counts. */
  readonly maxBytes: number | undefined;
}

/** Files forgotten in a slice: some milliseconds here, and their chunks in the media worker. */
const perSlice = 100;
/** Younger ones may have been asked for just now by somebody who has not begun to read. */
const grace = 3_600_000;

/** Keeps the files of other servers within their age and their share of the disk, those first that nobody looks at. */
export class RemoteMediaPruning {
  readonly #uses: PruningUses;

  constructor(uses: PruningUses) {
    this.#uses = uses;
  }

  /** True if there is more to forget. */
  async slice(): Promise<boolean> {
    const { db, store, sink, clock } = this.#uses;
    const gone = this.#choose();
    if (gone.length === 0) return false;
    const hashes = db.write(() => gone.flatMap((row) => [row.content, ...store.forget(row)]));
    const unused = store.unused(hashes);
    if (unused.length > 0) await sink.delete(unused, clock.now() - grace);
    return gone.length === perSlice;
  }

  #choose(): KeptRow[] {
    const { store, clock, maxAge, maxBytes } = this.#uses;
    const now = clock.now();
    const old = store.oldest(now - maxAge, perSlice);
    if (old.length > 0 || maxBytes === undefined) return old;
    let excess = store.keptBytes() - maxBytes;
    if (excess <= 0) return [];
    const chosen: KeptRow[] = [];
    for (const row of store.oldest(now - grace, perSlice)) {
      if (excess <= 0) break;
      chosen.push(row);
      excess -= row.size;
    }
    return chosen;
  }
}
