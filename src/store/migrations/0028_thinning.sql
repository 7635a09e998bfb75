-- Rooms whose old history has been deleted: where what is left begins. Nothing has a place up to there, and nothing is
-- fetched that belongs there.

CREATE TABLE history_floor (
  room    INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  pos     INTEGER NOT NULL             -- everything that came up to here is below; 0: nothing that came live
) STRICT;

-- Messages that have lost their place but are still needed: ends of the room, redactions of what is still here, what
-- other servers have not been told yet.
CREATE TABLE kept_message (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

-- Events that end nothing although no event that is here cites them: those that did have been deleted.
CREATE TABLE cited_event (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

-- Rooms whose history is being deleted up to a place.
CREATE TABLE thinning (
  room    INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  stage   INTEGER NOT NULL DEFAULT 0,  -- stages before this one are done
  cursor  INTEGER NOT NULL DEFAULT 0,  -- within the stage
  events  INTEGER NOT NULL DEFAULT 0,  -- deleted so far
  states  INTEGER NOT NULL DEFAULT 0,  -- kept without their places
  bytes   INTEGER NOT NULL DEFAULT 0   -- of the bodies deleted
) STRICT;

-- What had come by when, since what others say about the age of their events is only what they say.
CREATE TABLE reception_mark (
  ts    INTEGER PRIMARY KEY,           -- milliseconds since the epoch
  pos   INTEGER NOT NULL,              -- everything up to here had come by then
  heard_of INTEGER NOT NULL            -- event IDs up to this number had been heard of
) STRICT;

-- When its history was last deleted because of that, milliseconds since the epoch.
ALTER TABLE outgrown_room ADD COLUMN thinned INTEGER;
