import { createHash, type Hash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { blobFormat, blobSchema, chunkBytes, chunksPerBlob } from './blob-schema.ts';

export interface WrittenBlob {
  /** sha256 of the bytes. */
  readonly content: Buffer;
  readonly size: number;
}

interface OpenBlob {
  readonly hash: Hash;
  size: number;
  chunks: number;
  /** Bytes that do not fill a chunk yet. */
  rest: Buffer;
}

/**
 * The one writer of media.db; lives in a worker, so that waiting for the disk never holds up the server. Every method
 * is one transaction at most, synced before it returns (`synchronous=FULL`).
 */
export class BlobWriter {
  readonly #db: Sqlite.Database;
  readonly #open = new Map<number, OpenBlob>();
  readonly #insert: Sqlite.Statement;
  readonly #putChunk: Sqlite.Statement;
  readonly #finish: Sqlite.Statement;
  readonly #renew: Sqlite.Statement;
  readonly #existing: Sqlite.Statement;
  readonly #older: Sqlite.Statement;
  readonly #dropBlob: Sqlite.Statement;
  readonly #dropChunks: Sqlite.Statement;
  readonly #page: Sqlite.Statement;

  constructor(file: string) {
    this.#db = openForWriting(file);
    this.#insert = this.#db.prepare('INSERT INTO blob (content, size, created) VALUES (NULL, 0, ?)');
    this.#putChunk = this.#db.prepare('INSERT INTO chunk (nid, data) VALUES (?, ?)');
    this.#finish = this.#db.prepare('UPDATE blob SET content = ?, size = ?, created = ? WHERE nid = ?');
    this.#renew = this.#db.prepare('UPDATE blob SET created = ? WHERE nid = ?');
    this.#existing = this.#db.prepare('SELECT nid FROM blob WHERE content = ?').pluck();
    this.#older = this.#db.prepare('SELECT nid FROM blob WHERE content = ? AND created < ?').pluck();
    this.#dropBlob = this.#db.prepare('DELETE FROM blob WHERE nid = ?');
    this.#dropChunks = this.#db.prepare('DELETE FROM chunk WHERE nid >= ? AND nid < ?');
    this.#page = this.#db.prepare(
      'SELECT nid, content FROM blob WHERE nid > ? AND content IS NOT NULL AND created < ? ORDER BY nid LIMIT ?',
    );
    this.#dropUnfinished();
  }

  /** Opens a blob for writing; `created` in ms since the epoch. */
  begin(created: number): number {
    const nid = Number(this.#insert.run(created).lastInsertRowid);
    this.#open.set(nid, { hash: createHash('sha256'), size: 0, chunks: 0, rest: Buffer.alloc(0) });
    return nid;
  }

  append(nid: number, data: Uint8Array): void {
    const blob = this.#blob(nid);
    blob.hash.update(data);
    blob.size += data.length;
    let rest =
      blob.rest.length === 0
        ? Buffer.from(data.buffer, data.byteOffset, data.length)
        : Buffer.concat([blob.rest, data]);
    if (rest.length >= chunkBytes) {
      this.#db.transaction(() => {
        for (; rest.length >= chunkBytes; rest = rest.subarray(chunkBytes)) {
          this.#putChunk.run(nid * chunksPerBlob + blob.chunks++, rest.subarray(0, chunkBytes));
        }
      })();
    }
    blob.rest = Buffer.from(rest);
  }

  /**
   * Ends the blob, as created at `finished` (ms since the epoch): however long the upload took, the sweep must not take
   * it before its row is written. The same bytes are kept once: where they are there already, what was just written
   * goes, and what is there counts as created now, as a row is about to name it.
   */
  finish(nid: number, finished: number): WrittenBlob {
    const blob = this.#blob(nid);
    this.#open.delete(nid);
    const content = blob.hash.digest();
    this.#db.transaction(() => {
      const existing = this.#existing.get(content) as number | undefined;
      if (existing !== undefined) {
        this.#renew.run(finished, existing);
        return this.#drop(nid);
      }
      if (blob.rest.length > 0) this.#putChunk.run(nid * chunksPerBlob + blob.chunks, blob.rest);
      this.#finish.run(content, blob.size, finished, nid);
    })();
    return { content, size: blob.size };
  }

  /** Throws away what was written of an open blob. */
  abort(nid: number): void {
    this.#open.delete(nid);
    this.#db.transaction(() => this.#drop(nid))();
  }

  /** Finished blobs in order of their NID, for the sweep of those that nothing names. */
  page(after: number, createdBefore: number, limit: number): { nid: number; content: Buffer }[] {
    return this.#page.all(after, createdBefore, limit) as { nid: number; content: Buffer }[];
  }

  /**
   * Deletes blobs by hash and gives their pages back to the file system. One that was handed in again since the caller
   * looked is not older than `createdBefore` any more and stays.
   */
  delete(contents: readonly Uint8Array[], createdBefore: number): void {
    this.#db.transaction(() => {
      for (const content of contents) {
        const nid = this.#older.get(Buffer.from(content), createdBefore) as number | undefined;
        if (nid !== undefined) this.#drop(nid);
      }
    })();
    this.#db.pragma('incremental_vacuum');
  }

  close(): void {
    this.#db.close();
  }

  #blob(nid: number): OpenBlob {
    const blob = this.#open.get(nid);
    if (blob === undefined) throw new Error(`no blob ${nid} is being written`);
    return blob;
  }

  #drop(nid: number): void {
    this.#dropChunks.run(nid * chunksPerBlob, (nid + 1) * chunksPerBlob);
    this.#dropBlob.run(nid);
  }

  #dropUnfinished(): void {
    const unfinished = this.#db.prepare('SELECT nid FROM blob WHERE content IS NULL').pluck().all() as number[];
    this.#db.transaction(() => {
      for (const nid of unfinished) this.#drop(nid);
    })();
  }
}

function openForWriting(file: string): Sqlite.Database {
  const db = new Sqlite(file);
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('cache_size = -1000');
  db.pragma('journal_size_limit = 1048576');
  const format = db.pragma('user_version', { simple: true }) as number;
  if (format > blobFormat) {
    db.close();
    throw new Error(`media.db has format ${format}; this release of Hearth reads formats up to ${blobFormat}`);
  }
  db.exec(blobSchema);
  db.pragma(`user_version = ${blobFormat}`);
  return db;
}
