import Sqlite from 'better-sqlite3';

/** What became of an event. */
export const statuses = { waiting: 0, taken: 1, rejected: 2, dropped: 3, handedOut: 4, cited: 5, known: 6 } as const;

/** Changes with the form of the file: one of another form is thrown away. */
export const spoolFormat = 1;

/** What the answer says. Nothing of it is changed once all of it is there, so that it may outlive the process. */
const answerSchema = `
CREATE TABLE event (
  nid     INTEGER PRIMARY KEY,
  id      TEXT NOT NULL UNIQUE,
  parts   INTEGER NOT NULL DEFAULT 0,  -- 0: it is only cited
  parents INTEGER NOT NULL DEFAULT 0,  -- how many it cites
  key     INTEGER                      -- of entry
) STRICT;
CREATE TABLE body (
  nid   INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE cites (
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE TABLE signer (
  nid    INTEGER PRIMARY KEY,
  server TEXT NOT NULL,
  key_id TEXT NOT NULL,
  ts     INTEGER NOT NULL,
  UNIQUE (server, key_id)
) STRICT;
CREATE TABLE server (
  nid  INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE            -- of one that is in the room
) STRICT;
CREATE TABLE entry (
  nid   INTEGER PRIMARY KEY,
  type  TEXT NOT NULL,
  skey  TEXT NOT NULL,
  event INTEGER,                       -- of the state
  UNIQUE (type, skey)
) STRICT;`;

/** How far it is taken over: for this process only, as it names numbers of hearth.db that a power cut may take back. */
const progressSchema = `
CREATE TABLE work.progress (
  nid     INTEGER PRIMARY KEY,         -- of event
  status  INTEGER NOT NULL DEFAULT ${statuses.cited},  -- see statuses
  pending INTEGER NOT NULL DEFAULT 0,  -- auth events that are not settled
  event   INTEGER,                     -- its number in hearth.db
  urgency INTEGER NOT NULL DEFAULT 0   -- 1 taken before others, and so is what it cites, 2 that is marked
) STRICT;
CREATE INDEX work.progress_ready ON progress (nid) WHERE status = ${statuses.waiting} AND pending = 0;
CREATE INDEX work.progress_urgent ON progress (nid) WHERE status = ${statuses.waiting} AND pending = 0 AND urgency = 2;
CREATE INDEX work.progress_next ON progress (nid) WHERE urgency = 1;
CREATE INDEX work.progress_outside ON progress (nid) WHERE status = ${statuses.cited};
CREATE TABLE work.signer_key (
  nid         INTEGER PRIMARY KEY,     -- of signer
  key         BLOB,
  valid_until INTEGER,
  urgent      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX work.signer_urgent ON signer_key (nid) WHERE urgent = 1;`;

/** The page caches; the files themselves grow as long as the answer does. */
const cacheKib = 1024;

/** The file beside a spool that says how far it is taken over. */
export const progressFile = (file: string): string => `${file}-progress`;

/** `isNew`: else what it holds is there, and only how far it is taken over begins anew. Then the file beside must not exist. */
export function openSpoolFile(file: string, isNew: boolean): Sqlite.Database {
  // Not `fileMustExist`, which would hold for the file beside as well.
  const db = new Sqlite(file);
  try {
    db.prepare('ATTACH ? AS work').run(progressFile(file));
    for (const which of ['main', 'work']) {
      // What is written when the process ends is of no use: what is complete is not written any more, and synced by who
      // wants to keep it. The journal of a small write fits into memory.
      db.pragma(`${which}.journal_mode = MEMORY`);
      db.pragma(`${which}.synchronous = OFF`);
      db.pragma(`${which}.locking_mode = EXCLUSIVE`);
      db.pragma(`${which}.cache_size = -${cacheKib}`);
    }
    db.pragma('temp_store = FILE');
    if (isNew) db.exec(answerSchema);
    db.exec(progressSchema);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
