-- What other servers send.

-- Events that wait for something they cite; few, and given up after a while. `missing` is one of the events they lack.
CREATE TABLE deferred_pdu (
  event    INTEGER PRIMARY KEY,
  room     INTEGER NOT NULL,
  origin   INTEGER NOT NULL,
  missing  INTEGER NOT NULL,
  redacted INTEGER NOT NULL,      -- 1: the content hash did not fit, the body is the redacted form
  body     TEXT NOT NULL,         -- canonical JSON; signatures and hash are checked
  tries    INTEGER NOT NULL,
  retry_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deferred_pdu_room ON deferred_pdu (room);
CREATE INDEX deferred_pdu_retry ON deferred_pdu (retry_at);

-- The last transaction of each server, so that one that is sent again gets the same answer.
CREATE TABLE received_transaction (
  origin INTEGER PRIMARY KEY,
  txn    TEXT NOT NULL,
  answer TEXT NOT NULL,
  ts     INTEGER NOT NULL
) STRICT;
CREATE INDEX received_transaction_ts ON received_transaction (ts);
