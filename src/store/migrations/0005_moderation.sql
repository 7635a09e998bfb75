-- What people prove and report: OpenID tokens for other services, reports for the admin.

CREATE TABLE openid_token (
  hash    BLOB PRIMARY KEY,     -- SHA-256 of the token
  user    INTEGER NOT NULL,
  expires INTEGER NOT NULL      -- milliseconds since the epoch
) STRICT, WITHOUT ROWID;
CREATE INDEX openid_token_expires ON openid_token (expires);

-- A room (`room`), an event in it (`event` as well) or a user (`reported` alone; of an event: its sender).
CREATE TABLE report (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  ts       INTEGER NOT NULL,    -- milliseconds since the epoch
  reporter INTEGER NOT NULL,
  room     INTEGER,
  event    INTEGER,
  reported INTEGER,
  reason   TEXT NOT NULL
) STRICT;
