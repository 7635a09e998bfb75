-- Pushers: who rings a user's devices, and how far each has come; what notified a user and is read.

-- Three states: idle (`ready` and `retry_at` NULL), ready for the next request (`ready` is the position since which it
-- waits for its turn), and waiting after a failure until `retry_at`.
CREATE TABLE pusher (
  nid                 INTEGER PRIMARY KEY AUTOINCREMENT,
  user                INTEGER NOT NULL,
  device              INTEGER NOT NULL,
  app_id              TEXT NOT NULL,
  pushkey             TEXT NOT NULL,
  app_display_name    TEXT NOT NULL,
  device_display_name TEXT NOT NULL,
  profile_tag         TEXT,
  lang                TEXT NOT NULL,
  data                TEXT NOT NULL,     -- a JSON object
  enabled             INTEGER NOT NULL,
  updated             INTEGER NOT NULL,  -- milliseconds since the epoch
  cursor              INTEGER NOT NULL,  -- what notifies up to this position has been told, or need not be
  badge               INTEGER,           -- the unread count that was told last
  ready               INTEGER,
  retry_at            INTEGER,           -- milliseconds since the epoch
  failures            INTEGER NOT NULL DEFAULT 0,
  UNIQUE (app_id, pushkey, user)
) STRICT;
CREATE INDEX pusher_user ON pusher (user);
CREATE INDEX pusher_device ON pusher (device);
CREATE INDEX pusher_ready ON pusher (ready) WHERE ready IS NOT NULL;
CREATE INDEX pusher_retry ON pusher (retry_at) WHERE retry_at IS NOT NULL;

-- The actions of the rule that matched: the number of a usual list, else the list as JSON; see store/push/action-lists.ts.
ALTER TABLE push_action ADD COLUMN actions ANY NOT NULL DEFAULT 0;
CREATE INDEX push_action_pos ON push_action (user, pos);

-- The newest events that notified a user and have been read since.
CREATE TABLE push_read (
  user      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  event     INTEGER NOT NULL,
  highlight INTEGER NOT NULL,
  actions   ANY NOT NULL,
  PRIMARY KEY (user, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_read_room ON push_read (user, room);
