-- What rooms cost, as last measured, and what has gone on in them lately.
CREATE TABLE room_cost (
  room     INTEGER PRIMARY KEY,
  bytes    INTEGER NOT NULL,
  groups   TEXT NOT NULL,            -- JSON: bytes by kind
  measured INTEGER NOT NULL          -- milliseconds since the epoch
) STRICT;

CREATE TABLE room_activity (
  room        INTEGER PRIMARY KEY,
  since       INTEGER NOT NULL,      -- the figures are of the time from then on, milliseconds since the epoch
  events      INTEGER NOT NULL,
  micros      INTEGER NOT NULL,      -- of the main thread, for taking events in
  deliveries  INTEGER NOT NULL,      -- to other servers: one for each event and server
  resolutions INTEGER NOT NULL
) STRICT;

-- Rooms that are above a limit, and since when the admin has been told.
CREATE TABLE outgrown_room (
  room    INTEGER PRIMARY KEY,
  since   INTEGER NOT NULL,
  limits  TEXT NOT NULL              -- JSON: what is above what
) STRICT;
