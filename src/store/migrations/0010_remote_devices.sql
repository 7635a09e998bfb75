-- End-to-end encryption across servers.

-- Changes of our own users' devices in the order in which other servers are told of them; the newest few hundred of a
-- user. device_id '': the cross-signing keys.
CREATE TABLE device_update (
  user      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  device_id TEXT NOT NULL,
  PRIMARY KEY (user, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_update_pos ON device_update (pos);

-- Device lists of users of other servers who share a room with ours, as far as anybody has asked for them.
CREATE TABLE remote_list (
  user         INTEGER PRIMARY KEY,
  stream       INTEGER,                     -- stream_id of the newest update in it; NULL: from an answer that tells none
  stale        INTEGER NOT NULL,            -- 1: something in it is missing
  marks        INTEGER NOT NULL DEFAULT 0,  -- how often there was news: an answer that began before the last one is old
  due          INTEGER,                     -- when it is to be fetched, milliseconds since the epoch
  failures     INTEGER NOT NULL DEFAULT 0,
  master       TEXT,
  self_signing TEXT
) STRICT;
CREATE INDEX remote_list_due ON remote_list (due) WHERE due IS NOT NULL;

CREATE TABLE remote_device (
  user         INTEGER NOT NULL,
  device_id    TEXT NOT NULL,
  display_name TEXT,
  keys         TEXT NOT NULL,
  PRIMARY KEY (user, device_id)
) STRICT, WITHOUT ROWID;

-- Where a server is now, and which of our users came into a room when.
CREATE INDEX room_server_server ON room_server (server, room) WHERE to_pos IS NULL;
CREATE INDEX local_member_begin ON local_member (pos) WHERE membership = 1;

-- Messages to devices of other servers' users that are not delivered yet. The totals are bytes of all that the queue of
-- the server, and of the sender, ever took: two rows tell how long it is.
CREATE TABLE to_device_out (
  server       INTEGER NOT NULL,
  pos          INTEGER NOT NULL,
  sender       INTEGER NOT NULL,
  server_total INTEGER NOT NULL,
  sender_total INTEGER NOT NULL,
  content      TEXT NOT NULL,
  PRIMARY KEY (server, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_out_pos ON to_device_out (pos, server);
CREATE INDEX to_device_out_sender ON to_device_out (sender, pos);

-- IDs of messages that other servers have delivered: the newest few thousand of each, for a few days.
CREATE TABLE to_device_seen (
  server  INTEGER NOT NULL,
  message TEXT NOT NULL,
  n       INTEGER NOT NULL,
  ts      INTEGER NOT NULL,
  PRIMARY KEY (server, message)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX to_device_seen_order ON to_device_seen (server, n);
CREATE INDEX to_device_seen_ts ON to_device_seen (ts);

-- A device that waits, asleep, for its user's next login, and what wakes it up.
CREATE TABLE dehydrated_device (
  user   INTEGER PRIMARY KEY,
  device INTEGER NOT NULL UNIQUE,
  data   TEXT NOT NULL
) STRICT;
