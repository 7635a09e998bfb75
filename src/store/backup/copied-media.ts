import { existsSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { blobFormat, blobSchema, chunksPerBlob } from '../media/blob-schema.ts';

/**
 * Copies blobs from a media.db into that of a backup, which is made if it is not there. Answers which are missing.
 * Bytes are safe only after the caller has synced the file.
 */
export function copyBlobs(from: string, to: string, contents: readonly Uint8Array[]): Buffer[] {
  const db = new Sqlite(to);
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = OFF');
    db.pragma('cache_size = -1000');
    db.exec(blobSchema);
    db.pragma(`user_version = ${blobFormat}`);
    // A server that has never had a file has no media.db, and none may be made for it here.
    if (!existsSync(from)) return contents.map((content) => Buffer.from(content));
    db.prepare('ATTACH ? AS source').run(from);
    const find = db.prepare('SELECT nid FROM source.blob WHERE content = ?').pluck();
    const blob = db.prepare('INSERT OR IGNORE INTO main.blob SELECT * FROM source.blob WHERE nid = ?');
    const chunks = db.prepare('INSERT OR IGNORE INTO main.chunk SELECT * FROM source.chunk WHERE nid >= ? AND nid < ?');
    const missing: Buffer[] = [];
    for (const hash of contents) {
      const content = Buffer.from(hash);
      const nid = find.get(content) as number | undefined;
      if (nid === undefined) missing.push(content);
      else {
        db.transaction(() => {
          blob.run(nid);
          chunks.run(nid * chunksPerBlob, (nid + 1) * chunksPerBlob);
        })();
      }
    }
    return missing;
  } finally {
    db.close();
  }
}
