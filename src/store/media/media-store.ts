import type { Millis } from '../../util/brand.ts';
import type { Statement } from '../database/statement.ts';
import type { Database } from '../db.ts';
import type { ServerNid, UserNid } from '../nids.ts';

/** What is known of an `mxc://` URI. `content` is null while it is only reserved. */
export interface MediaRow {
  readonly uploader: UserNid | null;
  readonly created: Millis;
  readonly expires: Millis | null;
  readonly content: Buffer | null;
  readonly size: number | null;
  readonly contentType: string | null;
  readonly fileName: string | null;
  /** When it was last asked for; known of files of other servers only. */
  readonly lastAccess: Millis | null;
}

export interface MediaContent {
  /** sha256 of the bytes: their name in media.db. */
  readonly content: Buffer;
  readonly size: number;
  readonly contentType: string;
  readonly fileName: string | null;
}

export interface ThumbnailKey {
  readonly content: Buffer;
  readonly width: number;
  readonly height: number;
  readonly method: string;
  readonly animated: boolean;
}

export interface ThumbnailRow {
  readonly content: Buffer;
  readonly size: number;
  readonly contentType: string;
}

/** A file of another server that is kept here. */
export interface KeptRow {
  readonly server: ServerNid;
  readonly mediaId: string;
  readonly content: Buffer;
  readonly size: number;
}

/** Names, types and owners of media; the bytes are in media.db under their hash. */
export class MediaStore {
  readonly #get: Statement<[ServerNid, string], MediaRow>;
  readonly #reserve: Statement<[ServerNid, string, UserNid, number, number], never>;
  readonly #insert: Statement<[ServerNid, string, UserNid, number, Buffer, number, string, string | null], never>;
  readonly #fill: Statement<[Buffer, number, string, string | null, ServerNid, string], never>;
  readonly #pending: Statement<[UserNid, number], { count: number }>;
  readonly #dropExpired: Statement<[number], never>;
  readonly #thumbnail: Statement<[Buffer, number, number, string, number], ThumbnailRow>;
  readonly #putThumbnail: Statement<[Buffer, number, number, string, number, Buffer, number, string], never>;
  readonly #unused: Statement<[string], { content: Buffer }>;
  readonly #keep: Statement<[ServerNid, string, number, Buffer, number, string, string | null, number], never>;
  readonly #touch: Statement<[number, ServerNid, string], never>;
  readonly #oldest: Statement<[number, number], KeptRow>;
  readonly #keptBytes: Statement<[], { bytes: number }>;
  readonly #drop: Statement<[ServerNid, string], never>;
  readonly #dropThumbnails: Statement<[Buffer, Buffer], { thumbnail: Buffer }>;

  constructor(db: Database) {
    this.#get = db.prepare(
      `SELECT uploader, created, expires, content, size, content_type AS contentType, file_name AS fileName,
              last_access AS lastAccess
         FROM media WHERE server = ? AND media_id = ?`,
    );
    this.#reserve = db.prepare(
      'INSERT INTO media (server, media_id, uploader, created, expires) VALUES (?, ?, ?, ?, ?)',
    );
    this.#insert = db.prepare(
      `INSERT INTO media (server, media_id, uploader, created, content, size, content_type, file_name)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#fill = db.prepare(
      `UPDATE media SET content = ?, size = ?, content_type = ?, file_name = ?, expires = NULL
        WHERE server = ? AND media_id = ? AND content IS NULL`,
    );
    this.#pending = db.prepare(
      'SELECT count(*) AS count FROM media WHERE content IS NULL AND uploader = ? AND expires > ?',
    );
    this.#dropExpired = db.prepare('DELETE FROM media WHERE content IS NULL AND expires <= ?');
    this.#thumbnail = db.prepare(
      `SELECT thumbnail AS content, size, content_type AS contentType FROM thumbnail
        WHERE content = ? AND width = ? AND height = ? AND method = ? AND animated = ?`,
    );
    this.#putThumbnail = db.prepare('INSERT OR REPLACE INTO thumbnail VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#unused = db.prepare(
      `SELECT unhex(value) AS content FROM json_each(?)
        WHERE NOT EXISTS (SELECT 1 FROM media WHERE media.content = unhex(value))
          AND NOT EXISTS (SELECT 1 FROM thumbnail WHERE thumbnail.thumbnail = unhex(value))`,
    );
    this.#keep = db.prepare(
      `INSERT INTO media (server, media_id, created, content, size, content_type, file_name, last_access)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#touch = db.prepare('UPDATE media SET last_access = ? WHERE server = ? AND media_id = ?');
    this.#oldest = db.prepare(
      `SELECT server, media_id AS mediaId, content, size FROM media
        WHERE last_access > 0 AND last_access < ? ORDER BY last_access LIMIT ?`,
    );
    this.#keptBytes = db.prepare('SELECT coalesce(sum(size), 0) AS bytes FROM media WHERE last_access > 0');
    this.#drop = db.prepare('DELETE FROM media WHERE server = ? AND media_id = ?');
    this.#dropThumbnails = db.prepare(
      `DELETE FROM thumbnail WHERE content = ? AND NOT EXISTS (SELECT 1 FROM media WHERE media.content = ?)
       RETURNING thumbnail`,
    );
  }

  get(server: ServerNid, mediaId: string): MediaRow | undefined {
    return this.#get.get(server, mediaId);
  }

  reserve(server: ServerNid, mediaId: string, uploader: UserNid, created: Millis, expires: Millis): void {
    this.#reserve.run(server, mediaId, uploader, created, expires);
  }

  insert(server: ServerNid, mediaId: string, uploader: UserNid, created: Millis, media: MediaContent): void {
    this.#insert.run(server, mediaId, uploader, created, media.content, media.size, media.contentType, media.fileName);
  }

  /** Gives a reserved ID its content. False if it has some already. */
  fill(server: ServerNid, mediaId: string, media: MediaContent): boolean {
    const { changes } = this.#fill.run(media.content, media.size, media.contentType, media.fileName, server, mediaId);
    return changes > 0;
  }

  /** How many IDs the user has reserved and not yet filled. */
  pending(uploader: UserNid, now: Millis): number {
    return this.#pending.get(uploader, now)?.count ?? 0;
  }

  /** Forgets reserved IDs that were never filled. */
  dropExpired(now: Millis): void {
    this.#dropExpired.run(now);
  }

  thumbnail(key: ThumbnailKey): ThumbnailRow | undefined {
    return this.#thumbnail.get(key.content, key.width, key.height, key.method, key.animated ? 1 : 0);
  }

  putThumbnail(key: ThumbnailKey, made: ThumbnailRow): void {
    this.#putThumbnail.run(
      key.content,
      key.width,
      key.height,
      key.method,
      key.animated ? 1 : 0,
      made.content,
      made.size,
      made.contentType,
    );
  }

  /** Of these hashes, those that no media and no thumbnail names. */
  unused(hashes: readonly Buffer[]): Buffer[] {
    return this.#unused.all(JSON.stringify(hashes.map((hash) => hash.toString('hex')))).map((row) => row.content);
  }

  /** A file of another server; one that is kept already stays as it is. */
  keep(server: ServerNid, mediaId: string, now: Millis, media: MediaContent): void {
    this.#keep.run(server, mediaId, now, media.content, media.size, media.contentType, media.fileName, now);
  }

  /** Somebody asked for a file of another server. */
  touch(server: ServerNid, mediaId: string, now: Millis): void {
    this.#touch.run(now, server, mediaId);
  }

  /** Files of other servers that were last asked for before then, the longest ago first. */
  oldest(before: number, limit: number): KeptRow[] {
    return this.#oldest.all(before, limit);
  }

  /** What all files of other servers take. */
  keptBytes(): number {
    return this.#keptBytes.get()?.bytes ?? 0;
  }

  /** Forgets a file of another server, and its thumbnails unless the same bytes have another name. Answers their hashes. */
  forget({ server, mediaId, content }: KeptRow): Buffer[] {
    this.#drop.run(server, mediaId);
    return this.#dropThumbnails.all(content, content).map((row) => row.thumbnail);
  }
}
