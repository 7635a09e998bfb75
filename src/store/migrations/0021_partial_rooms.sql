-- Rooms that were entered with a part of their state: members are still being filled in.

CREATE TABLE room_partial (
  room       INTEGER PRIMARY KEY,
  line       INTEGER NOT NULL,             -- the main line, and
  base       INTEGER NOT NULL,             -- the position on it where what is missing belongs
  event      INTEGER NOT NULL,             -- the join: the state before it is what is asked for
  user       INTEGER NOT NULL,             -- who joined by it
  servers    TEXT NOT NULL,                -- JSON: who is asked, the one that let us in first
  since      INTEGER NOT NULL,             -- when the room was entered, milliseconds
  tries      INTEGER NOT NULL DEFAULT 0,   -- that have failed
  next_try   INTEGER NOT NULL DEFAULT 0,   -- not before this time, milliseconds
  gives_up   INTEGER NOT NULL DEFAULT 0,   -- 1: nobody is asked any more unless the admin says so
  problem    TEXT,                         -- why the last try failed
  events     INTEGER NOT NULL DEFAULT 0,   -- stored for it so far
  members    INTEGER NOT NULL DEFAULT 0,   -- filled in so far
  filled     INTEGER NOT NULL DEFAULT 0    -- 1: all of the state is here, and what came meanwhile is gone through
) STRICT;

-- What was decided about such a room in the meantime, in this order: it is gone through again when the state is here.
CREATE TABLE partial_event (
  room  INTEGER NOT NULL,
  nr    INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, nr)
) STRICT, WITHOUT ROWID;

-- Where the members of a room that was entered so became complete: the newest time.
CREATE TABLE room_completion (
  room INTEGER PRIMARY KEY,
  pos  INTEGER NOT NULL
) STRICT;
CREATE INDEX room_completion_pos ON room_completion (pos);

-- 1: the server is in the room by the word of the one that let us in, whatever `joined` says.
ALTER TABLE room_server ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
