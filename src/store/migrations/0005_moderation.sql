-- What people prove and report: OpenID tokens for other services, reports for the admin. And what they say later.

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

-- Events that are to be sent later; those that have ended stay for a day.
CREATE TABLE delayed_event (
  id      TEXT PRIMARY KEY,     -- the secret by which it is managed
  user    INTEGER NOT NULL,
  room    INTEGER NOT NULL,
  kind    TEXT NOT NULL,        -- the event's type
  skey    TEXT,                 -- NULL: no state event
  content TEXT NOT NULL,
  delay   INTEGER NOT NULL,     -- milliseconds
  txn     TEXT UNIQUE,
  started INTEGER NOT NULL,     -- milliseconds since the epoch, as `due` and `ended`
  due     INTEGER NOT NULL,
  status  INTEGER NOT NULL DEFAULT 0,  -- 0 scheduled, 1 sent, 2 cancelled, 3 failed
  ended   INTEGER,
  event   INTEGER,
  errcode TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX delayed_event_due ON delayed_event (due) WHERE status = 0;
CREATE INDEX delayed_event_user ON delayed_event (user, due) WHERE status = 0;
CREATE INDEX delayed_event_state ON delayed_event (room, kind, skey) WHERE status = 0;
CREATE INDEX delayed_event_ended ON delayed_event (ended);
