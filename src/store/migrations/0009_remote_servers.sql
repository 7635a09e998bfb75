-- Other servers: when they answered last, where they are found, what they sign with.

CREATE TABLE remote_server (
  server   INTEGER PRIMARY KEY,
  answered INTEGER,           -- when it last answered or called, to a quarter of an hour; NULL: never yet
  failing  INTEGER,           -- since when it does not answer; NULL: it does
  wait     INTEGER NOT NULL,  -- milliseconds of the present back-off
  retry_at INTEGER,           -- until when it is left alone; NULL: it is not
  seen     INTEGER NOT NULL   -- the later of `answered` and `retry_at`
) STRICT;
CREATE INDEX remote_server_seen ON remote_server (seen);
CREATE INDEX remote_server_failing ON remote_server (failing) WHERE failing IS NOT NULL;
CREATE INDEX remote_server_never ON remote_server (seen) WHERE answered IS NULL;

-- What `/.well-known/matrix/server` said. Names as text: most may never be met again.
CREATE TABLE discovered (
  name      TEXT PRIMARY KEY,
  delegated TEXT,              -- NULL: there was no usable answer
  fetched   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  failures  INTEGER NOT NULL   -- in a row
) STRICT, WITHOUT ROWID;
CREATE INDEX discovered_expires ON discovered (expires);

CREATE TABLE remote_key (
  server      INTEGER NOT NULL,
  key_id      TEXT NOT NULL,
  public      BLOB NOT NULL,
  valid_until INTEGER NOT NULL,  -- events up to then may be signed with it; at most a week after it was fetched
  expired     INTEGER NOT NULL,  -- 1: its server does not use it any more
  PRIMARY KEY (server, key_id)
) STRICT, WITHOUT ROWID;

-- The last answer of a server about its keys, as it signed it: what we tell others as a notary.
CREATE TABLE remote_key_answer (
  server      INTEGER PRIMARY KEY,
  answer      TEXT NOT NULL,
  valid_until INTEGER NOT NULL,  -- as its server says, at most a week after it was fetched
  fetched     INTEGER NOT NULL
) STRICT;
CREATE INDEX remote_key_answer_fetched ON remote_key_answer (fetched);
