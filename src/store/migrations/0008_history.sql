-- What the rules on who may see an event ask of the state before events that came by backfill, where no point of the
-- state log is known. An entry holds for the events of its segment at `idx` and before, down to the next entry of the key.

CREATE TABLE history_state (
  segment INTEGER NOT NULL,     -- negative: of the one event with that number, which has no place
  key     INTEGER NOT NULL,     -- the history's visibility, or the membership of a user of this server
  idx     INTEGER NOT NULL,
  event   INTEGER,              -- 0: absent; NULL: not known
  PRIMARY KEY (segment, key, idx)
) STRICT, WITHOUT ROWID;
