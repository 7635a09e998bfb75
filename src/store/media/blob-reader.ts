import Sqlite from 'better-sqlite3';
import { chunkBytes, chunksPerBlob } from './blob-schema.ts';

/** Reads media.db on the main thread, one chunk at a time: a chunk is a few dozen microseconds' work. */
export class BlobReader {
  readonly #file: string;
  #db: Sqlite.Database | undefined;
  #find: Sqlite.Statement | undefined;
  #chunk: Sqlite.Statement | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The bytes `[from, to)` of a blob, chunk by chunk, or undefined if there is no such blob. Each chunk is read when it
   * is asked for: nothing is held open between two.
   */
  read(content: Buffer, from: number, to: number): Iterable<Buffer> | undefined {
    this.#open();
    const nid = this.#find?.get(content) as number | undefined;
    return nid === undefined ? undefined : this.#chunks(nid, from, to);
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  *#chunks(nid: number, from: number, to: number): Generator<Buffer> {
    for (let at = from; at < to; ) {
      const number = Math.floor(at / chunkBytes);
      const start = number * chunkBytes;
      this.#open();
      const data = this.#chunk?.get(nid * chunksPerBlob + number) as Buffer | undefined;
      if (data === undefined) throw new Error(`chunk ${number} of blob ${nid} is missing in media.db`);
      yield data.subarray(at - start, Math.min(to - start, data.length));
      at = start + chunkBytes;
    }
  }

  /** Opened on first use: the file is made by the writer. */
  #open(): void {
    if (this.#db !== undefined) return;
    const db = new Sqlite(this.#file, { readonly: true });
    db.pragma('cache_size = -500');
    this.#find = db.prepare('SELECT nid FROM blob WHERE content = ?').pluck();
    this.#chunk = db.prepare('SELECT data FROM chunk WHERE nid = ?').pluck();
    this.#db = db;
  }
}
