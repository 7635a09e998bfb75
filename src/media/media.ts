import { setImmediate as nextTurn } from 'node:timers/promises';
import { forbidden, invalidParam, limitExceeded, MatrixError, notFound, tooLarge } from '../protocol/errors.ts';
import { isMediaId } from '../protocol/ids/mxc-uri.ts';
import { parseServerName } from '../protocol/ids/server-name.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { BlobReader } from '../store/media/blob-reader.ts';
import type { MediaContent, MediaRow, MediaStore } from '../store/media/media-store.ts';
import type { ServerNid, UserNid } from '../store/nids.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { type Random, randomLetters } from '../util/random.ts';
import type { BlobSink } from './blob-sink.ts';
import type { RemoteMedia } from './remote/remote-media.ts';
import type { UploadWaiters } from './upload-waiters.ts';

export interface MediaLimits {
  /** Largest upload, bytes. */
  readonly maxUpload: number;
  /** How long a reserved ID waits for its bytes. */
  readonly reservation: Millis;
  /** How many reserved IDs a user may have open. */
  readonly maxPending: number;
}

export interface UploadMeta {
  readonly contentType: string;
  readonly fileName: string | null;
}

/** Bytes ready to be sent, and what is known of them. */
export interface MediaFile {
  readonly content: Buffer;
  readonly size: number;
  readonly contentType: string;
  readonly fileName: string | undefined;
}

export interface FileWish {
  /** How long a file that was only announced is waited for. */
  readonly wait: Millis;
  readonly signal: AbortSignal;
  readonly fetch?: boolean;
}

interface MediaParts {
  readonly db: Database;
  readonly store: MediaStore;
  readonly reader: BlobReader;
  readonly sink: BlobSink;
  readonly remote: RemoteMedia;
  readonly waiters: UploadWaiters;
  readonly server: { readonly name: ServerName; readonly nid: ServerNid };
  readonly limits: MediaLimits;
  readonly clock: Clock;
  readonly random: Random;
}

/** 24 letters: 136 bits, so that a media ID cannot be guessed. */
const mediaIdLetters = 24;
/** Files that are being uploaded at once: each holds up to half a megabyte, and one disk writes them all. */
const uploadsAtOnce = 32;
const busyFor = 5_000;

/** Uploads, and downloads of this server's own media and that of others. */
export class Media {
  #uploading = 0;
  readonly #parts: MediaParts;

  constructor(parts: MediaParts) {
    this.#parts = parts;
  }

  get maxUpload(): number {
    return this.#parts.limits.maxUpload;
  }

  /**
   * Takes an upload and answers its `mxc://` URI once it is safe on disk.
   * @throws M_TOO_LARGE when more than `maxUpload` bytes come.
   */
  async upload(uploader: UserNid, body: AsyncIterable<Buffer>, meta: UploadMeta): Promise<string> {
    const { db, store, server, clock, random } = this.#parts;
    const written = await this.#write(body, meta);
    const mediaId = randomLetters(random, mediaIdLetters);
    await db.durable(() => store.insert(server.nid, mediaId, uploader, clock.now(), written));
    return this.#uri(mediaId);
  }

  /** Reserves a URI whose bytes come later. */
  async create(uploader: UserNid): Promise<{ uri: string; expires: Millis }> {
    const { db, store, server, limits, clock, random } = this.#parts;
    const now = clock.now();
    const expires = millis(now + limits.reservation);
    const mediaId = randomLetters(random, mediaIdLetters);
    await db.durable(() => {
      store.dropExpired(now);
      if (store.pending(uploader, now) >= limits.maxPending) {
        throw limitExceeded(60_000, 'Too many uploads were announced and not made');
      }
      store.reserve(server.nid, mediaId, uploader, now, expires);
    });
    return { uri: this.#uri(mediaId), expires };
  }

  /**
   * Gives a reserved URI its bytes.
   * @throws M_NOT_FOUND unknown or expired · M_FORBIDDEN somebody else's · M_CANNOT_OVERWRITE_MEDIA it has bytes
   */
  async uploadTo(
    uploader: UserNid,
    serverName: string,
    mediaId: string,
    body: AsyncIterable<Buffer>,
    meta: UploadMeta,
  ): Promise<void> {
    const { db, store, server, waiters } = this.#parts;
    this.#mayFill(uploader, this.#row(serverName, mediaId));
    const written = await this.#write(body, meta);
    await db.durable(() => {
      // Read again: while the bytes came in, another request may have filled it.
      this.#mayFill(uploader, this.#row(serverName, mediaId));
      store.fill(server.nid, mediaId, written);
    });
    waiters.arrived(mediaId);
  }

  /**
   * Finds a file of any server; waits up to `timeout` for one that is only reserved. With `fetch` false, one of another
   * server is found only if it is kept here.
   * @throws M_NOT_FOUND · M_NOT_YET_UPLOADED the wait ran out · what `RemoteMedia.find` throws
   */
  async find(serverName: string, mediaId: string, wish: FileWish): Promise<MediaFile> {
    const { server, remote } = this.#parts;
    if (serverName === server.name) return this.findOwn(mediaId, wish.wait, wish.signal);
    checkMediaId(mediaId);
    const other = parseServerName(serverName);
    if (other === undefined) throw invalidParam('This is not the name of a server');
    const { fetch = true } = wish;
    const found = await remote.find(other, mediaId, { wait: wish.wait, signal: wish.signal, fetch });
    return { ...found, fileName: found.fileName ?? undefined };
  }

  /** The same for a file of this server only. */
  async findOwn(mediaId: string, timeout: Millis, signal: AbortSignal): Promise<MediaFile> {
    const { server, waiters } = this.#parts;
    let row = this.#row(server.name, mediaId);
    if (row.content === null && timeout > 0) {
      await waiters.wait(mediaId, timeout, signal);
      row = this.#row(server.name, mediaId);
    }
    if (row.content === null) throw new MatrixError(504, 'M_NOT_YET_UPLOADED', 'The file has not been uploaded yet');
    return {
      content: row.content,
      size: row.size ?? 0,
      contentType: row.contentType ?? 'application/octet-stream',
      fileName: row.fileName ?? undefined,
    };
  }

  /** The bytes `[from, to)` of a file, one chunk at a time. */
  read(content: Buffer, from: number, to: number): Iterable<Buffer> {
    const pieces = this.#parts.reader.read(content, from, to);
    if (pieces === undefined) throw notFound('The file is no longer there');
    return pieces;
  }

  /** Deletes bytes that no media and no thumbnail names: what a crash between the two databases left. */
  async sweepOrphans(): Promise<number> {
    const { store, sink, clock } = this.#parts;
    const hour = 3_600_000;
    // Younger ones may belong to an upload whose row is about to be written.
    const before = clock.now() - hour;
    let deleted = 0;
    for (let after = 0; ; ) {
      const page = await sink.page(after, before, 200);
      const last = page.at(-1);
      if (last === undefined) return deleted;
      const unused = store.unused(page.map((blob) => blob.content));
      if (unused.length > 0) await sink.delete(unused, before);
      deleted += unused.length;
      after = last.nid;
      await nextTurn();
    }
  }

  async #write(body: AsyncIterable<Buffer>, meta: UploadMeta): Promise<MediaContent> {
    if (this.#uploading >= uploadsAtOnce) {
      throw limitExceeded(busyFor, 'Too many files are being uploaded at the moment: try again soon');
    }
    this.#uploading++;
    try {
      return await this.#receive(body, meta);
    } finally {
      this.#uploading--;
    }
  }

  async #receive(body: AsyncIterable<Buffer>, meta: UploadMeta): Promise<MediaContent> {
    const { sink, limits } = this.#parts;
    const upload = await sink.begin();
    try {
      let size = 0;
      for await (const data of body) {
        size += data.length;
        if (size > limits.maxUpload) throw tooLarge(`A file may have ${limits.maxUpload} bytes at most`);
        await upload.write(data);
      }
      return { ...(await upload.finish()), ...meta };
    } catch (problem) {
      await upload.abort();
      throw problem;
    }
  }

  #row(serverName: string, mediaId: string): MediaRow {
    const { store, server, clock } = this.#parts;
    checkMediaId(mediaId);
    const row = serverName === server.name ? store.get(server.nid, mediaId) : undefined;
    if (row === undefined || (row.content === null && row.expires !== null && row.expires <= clock.now())) {
      throw notFound('There is no such file');
    }
    return row;
  }

  #mayFill(uploader: UserNid, row: MediaRow): void {
    if (row.uploader !== uploader) throw forbidden('The URI was reserved by somebody else');
    if (row.content !== null) throw new MatrixError(409, 'M_CANNOT_OVERWRITE_MEDIA', 'The file was uploaded already');
  }

  #uri(mediaId: string): string {
    return `mxc://${this.#parts.server.name}/${mediaId}`;
  }
}

function checkMediaId(mediaId: string): void {
  if (!isMediaId(mediaId)) throw invalidParam('The media ID is not valid');
}
