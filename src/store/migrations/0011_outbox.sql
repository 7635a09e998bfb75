-- How far all servers that have no row in `destination` have been told of everything. One row.
CREATE TABLE outbox (
  one     INTEGER PRIMARY KEY,
  told    INTEGER NOT NULL,       -- up to here they have been told
  telling INTEGER NOT NULL,       -- the end of the span that is being told; = told: none is
  done    INTEGER NOT NULL,       -- of that span: servers with NIDs up to here have had it
  kept    INTEGER NOT NULL        -- `outgoing` is complete after this position
) STRICT;

INSERT INTO outbox (one, told, telling, done, kept)
  SELECT 1, value, value, 0, value FROM meta WHERE key = 'reserved_pos';

-- Servers that are behind: failing, slow, or ahead of the span that the others are told of.
CREATE TABLE destination (
  server     INTEGER PRIMARY KEY,
  told       INTEGER NOT NULL,    -- of events up to here
  edus       INTEGER NOT NULL,    -- of everything else up to here
  upto       INTEGER,             -- the end of the transaction that was begun and must be repeated as it is
  catch_to   INTEGER,             -- NULL, or: up to here only what still matters is told, room by room
  catch_room INTEGER NOT NULL DEFAULT 0,  -- rooms with NIDs up to here are done
  failures   INTEGER NOT NULL DEFAULT 0,  -- in a row
  due        INTEGER,             -- milliseconds since the epoch; NULL: there was nothing more to tell
  error      TEXT                 -- why it failed last
) STRICT;

CREATE INDEX destination_due ON destination (due, told);
CREATE INDEX destination_told ON destination (told);

-- Events that other servers are to be told of by us, in order; thinned out behind the servers that keep up.
CREATE TABLE outgoing (
  pos    INTEGER PRIMARY KEY,
  room   INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  server INTEGER NOT NULL         -- the sender's, which knows of it
) STRICT;

-- The newest of them in each room: what a server that was away for long is told of.
CREATE TABLE outgoing_room (
  room   INTEGER PRIMARY KEY,
  pos    INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  server INTEGER NOT NULL
) STRICT;

-- Those that concern a user of a server that is not in the room: a withdrawn invite. Kept until that server has them.
CREATE TABLE addressed_event (
  server INTEGER NOT NULL,
  pos    INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  PRIMARY KEY (server, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX addressed_event_pos ON addressed_event (pos);

CREATE INDEX room_server_ended ON room_server (server, room, to_pos) WHERE to_pos IS NOT NULL;
