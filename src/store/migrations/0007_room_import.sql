-- A room whose state is being taken over from another server. Its line, current state and members are written in slices
-- that nobody is shown; with the last of them the row goes.
CREATE TABLE room_import (
  room     INTEGER PRIMARY KEY,
  line     INTEGER NOT NULL,          -- the main line to be
  base     INTEGER NOT NULL,          -- the position of the state on it
  first    INTEGER NOT NULL,          -- no event stored for it has a lower number
  replaces INTEGER NOT NULL DEFAULT 0 -- the state that was there before is being removed, or is gone
) STRICT;
