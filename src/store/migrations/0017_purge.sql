-- Rooms that are being deleted, and how far.
CREATE TABLE room_purge (
  room   INTEGER PRIMARY KEY,
  start  INTEGER NOT NULL,           -- not before, milliseconds since the epoch
  stage  INTEGER NOT NULL DEFAULT 0, -- stages before this one are done
  cursor INTEGER NOT NULL DEFAULT 0  -- within the stage
) STRICT;

-- Rooms that nobody of this server is in or invited to, and since when that is known.
CREATE TABLE empty_room (
  room  INTEGER PRIMARY KEY,
  since INTEGER NOT NULL             -- milliseconds since the epoch
) STRICT;
CREATE INDEX empty_room_since ON empty_room (since);

CREATE INDEX delayed_event_room ON delayed_event (room);
