-- Rooms that no limit holds for, and people who may take any room in.
CREATE TABLE room_exemption (
  room INTEGER PRIMARY KEY,
  ts   INTEGER NOT NULL          -- milliseconds since the epoch
) STRICT;

CREATE TABLE user_exemption (
  user INTEGER PRIMARY KEY,
  ts   INTEGER NOT NULL
) STRICT;

-- How long this board took for the rooms that it joined last.
CREATE TABLE join_sample (
  nid    INTEGER PRIMARY KEY AUTOINCREMENT,
  ts     INTEGER NOT NULL,
  events INTEGER NOT NULL,       -- entries of the state
  ms     INTEGER NOT NULL
) STRICT;
