-- End-to-end encryption: keys of devices, what is signed by whom, messages to devices, backups of room keys.

-- When a user's devices or cross-signing keys changed last, for all who share a room with the user.
CREATE TABLE device_list (
  user INTEGER PRIMARY KEY,
  pos  INTEGER NOT NULL
) STRICT;
CREATE INDEX device_list_pos ON device_list (pos);

-- Whose membership of a room changed since a position.
CREATE INDEX member_pos ON member (room, pos);

-- Identity keys as uploaded, a JSON object without `unsigned`.
CREATE TABLE device_keys (
  device INTEGER PRIMARY KEY,
  keys   TEXT NOT NULL
) STRICT;

-- key NULL: claimed. Remembered for a while, so that a repeated upload does not bring it back.
CREATE TABLE one_time_key (
  device    INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  key_id    TEXT NOT NULL,
  n         INTEGER NOT NULL,     -- in the order of the uploads
  key       TEXT,
  PRIMARY KEY (device, algorithm, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_key_order ON one_time_key (device, algorithm, n) WHERE key IS NOT NULL;
CREATE INDEX one_time_key_claimed ON one_time_key (device, algorithm, n) WHERE key IS NULL;

CREATE TABLE fallback_key (
  device    INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  key_id    TEXT NOT NULL,
  key       TEXT NOT NULL,
  used      INTEGER NOT NULL,
  PRIMARY KEY (device, algorithm)
) STRICT, WITHOUT ROWID;

-- What every /sync says of the two tables above, as JSON; pos: when it changed last.
CREATE TABLE key_count (
  device   INTEGER PRIMARY KEY,
  counts   TEXT NOT NULL,
  fallback TEXT NOT NULL,
  pos      INTEGER NOT NULL
) STRICT;

-- usage 1: master, 2: self-signing, 3: user-signing. `key`: a JSON object as uploaded.
CREATE TABLE cross_signing_key (
  user   INTEGER NOT NULL,
  usage  INTEGER NOT NULL,
  public TEXT NOT NULL,
  key    TEXT NOT NULL,
  PRIMARY KEY (user, usage)
) STRICT, WITHOUT ROWID;

-- Signatures that came later than the keys. target: a device ID or the public half of a cross-signing key.
CREATE TABLE key_signature (
  user      INTEGER NOT NULL,
  target    TEXT NOT NULL,
  signer    INTEGER NOT NULL,
  key_id    TEXT NOT NULL,
  signature TEXT NOT NULL,
  pos       INTEGER NOT NULL,
  PRIMARY KEY (user, target, signer, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_signature_signer ON key_signature (signer, pos);

-- Messages that a device has not acknowledged. The totals are bytes of all that the queue, and the queue's part of that
-- source, ever took: two rows tell how long it is. source: who is not to drive out what others sent, one of our users or
-- (negative) another server.
CREATE TABLE to_device (
  device       INTEGER NOT NULL,
  pos          INTEGER NOT NULL,
  total        INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  source_total INTEGER NOT NULL,
  sender       INTEGER NOT NULL,
  type         TEXT NOT NULL,
  content      TEXT NOT NULL,
  PRIMARY KEY (device, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_source ON to_device (device, source, pos);

-- A device's transaction IDs of sent messages, for a few days.
CREATE TABLE to_device_txn (
  device INTEGER NOT NULL,
  txn    TEXT NOT NULL,
  ts     INTEGER NOT NULL,
  PRIMARY KEY (device, txn)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_txn_ts ON to_device_txn (ts);

-- The version numbers of a user grow and are never used twice. auth_data NULL: deleted.
CREATE TABLE key_backup (
  user      INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  auth_data TEXT,
  store     INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  etag      INTEGER NOT NULL,
  -- Its number before the server was restored from a backup, if it was.
  formerly  INTEGER,
  PRIMARY KEY (user, version)
) STRICT, WITHOUT ROWID;

-- What the session keys of a version are kept under; emptying a version gives it another, and the rest is done later.
CREATE TABLE backup_store (
  nid     INTEGER PRIMARY KEY AUTOINCREMENT,
  dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX backup_store_dropped ON backup_store (dropped) WHERE dropped = 1;

-- In the order in which they came, with an index beside: clients back up sessions of all rooms at a time, and keys in the
-- order of rooms would have each of them rewrite a page of its own.
CREATE TABLE backup_session (
  nid       INTEGER PRIMARY KEY,
  store     INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  session   TEXT NOT NULL,
  first     INTEGER NOT NULL,     -- first_message_index
  forwarded INTEGER NOT NULL,
  verified  INTEGER NOT NULL,
  data      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX backup_session_key ON backup_session (store, room, session);
