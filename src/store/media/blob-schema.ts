/** Bytes in one chunk; only a blob's last one is shorter. A chunk is read and sent in one go. */
export const chunkBytes = 64 * 1024;

/** Room for 2^20 chunks (64 GiB) in a blob; a chunk's rowid is `blob * chunksPerBlob + number`. */
export const chunksPerBlob = 2 ** 20;

/** media.db's format. Raised with every change of the tables below. */
export const blobFormat = 1;

/**
 * media.db: bytes under their sha256. A blob without a hash is being written; after a crash it is thrown away.
 * Chunks are rowid rows, so that a chunk lies in consecutive overflow pages and is found by one integer.
 */
export const blobSchema = `
  CREATE TABLE IF NOT EXISTS blob (
    nid     INTEGER PRIMARY KEY AUTOINCREMENT,
    content BLOB UNIQUE,
    size    INTEGER NOT NULL,
    created INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS chunk (
    nid  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
  ) STRICT;
`;
