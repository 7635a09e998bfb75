-- Events that say by m.relates_to which other event of the room they belong to, each in the room's order. A relation
-- goes with the redaction of the event that says it.
CREATE TABLE relation (
  target  INTEGER NOT NULL,
  segment INTEGER NOT NULL,       -- of the event that relates to `target`, as in `event`
  idx     INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  rel     INTEGER NOT NULL,       -- rel_type, interned like an event type
  type    INTEGER NOT NULL,
  sender  INTEGER NOT NULL,
  ts      INTEGER NOT NULL,
  digest  INTEGER NOT NULL,       -- of an annotation's key: 31 bits; 0 without
  PRIMARY KEY (target, segment, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX relation_kind ON relation (target, rel, sender, type, ts);

-- Of each thread root: how many events are in the thread, and the place of the newest of them.
CREATE TABLE thread (
  root    INTEGER PRIMARY KEY,
  room    INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  count   INTEGER NOT NULL
) STRICT;

CREATE INDEX thread_room ON thread (room, segment, idx);
