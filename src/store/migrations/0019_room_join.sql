-- Joins through other servers that are under way. Those that a crash has interrupted are taken up again.

CREATE TABLE room_join (
  room    INTEGER PRIMARY KEY,
  user    INTEGER NOT NULL,
  servers TEXT NOT NULL,               -- JSON: who is asked, in this order
  said    TEXT NOT NULL,               -- JSON: what the member event says besides the membership
  tries   INTEGER NOT NULL DEFAULT 0   -- how often it was taken up again
) STRICT;
