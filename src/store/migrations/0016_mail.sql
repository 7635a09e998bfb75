-- Mail addresses of accounts, and how people prove that one is theirs.

CREATE TABLE mail_address (
  address   TEXT PRIMARY KEY,   -- lower case
  user      INTEGER NOT NULL,
  validated INTEGER NOT NULL,   -- milliseconds since the epoch
  added     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_address_user ON mail_address (user);

CREATE TABLE mail_session (
  sid           TEXT PRIMARY KEY,
  address       TEXT NOT NULL,
  client_secret TEXT NOT NULL,
  purpose       INTEGER NOT NULL,   -- 0 for an account's address, 1 for a new account, 2 for a new password
  send_attempt  INTEGER NOT NULL,
  token         BLOB NOT NULL,      -- SHA-256 of what stands in the newest mail
  next_link     TEXT,
  mails         INTEGER NOT NULL,   -- how many were sent
  validated     INTEGER,
  expires       INTEGER NOT NULL,
  UNIQUE (address, client_secret, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_session_expires ON mail_session (expires);

-- 0: a gateway over HTTP, 1: mail.
ALTER TABLE pusher ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
