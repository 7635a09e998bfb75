-- Rooms that other servers publish, for one directory over all of them. The text of a room is what its server told,
-- checked and shortened; strangers' room IDs are not interned.
CREATE TABLE listed_room (
  server  INTEGER NOT NULL,
  room_id TEXT NOT NULL,
  joined  INTEGER NOT NULL,
  summary TEXT NOT NULL,        -- JSON
  seen    INTEGER NOT NULL,     -- the round in which it was last told
  PRIMARY KEY (server, room_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX listed_room_size ON listed_room (joined, room_id, server);

CREATE INDEX listed_room_room ON listed_room (room_id, server);

CREATE TABLE listed_server (
  server INTEGER PRIMARY KEY,
  round  INTEGER NOT NULL,      -- when the present round began, or the last one
  next   TEXT,                  -- where the present round goes on; NULL: it is over
  rooms  INTEGER NOT NULL,      -- told in the present round
  due    INTEGER NOT NULL       -- when to ask next
) STRICT;

CREATE INDEX listed_server_due ON listed_server (due);
