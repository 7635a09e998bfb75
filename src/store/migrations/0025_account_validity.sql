-- Until when accounts are good. Who is not named here has one without an end.

CREATE TABLE account_validity (
  user  INTEGER PRIMARY KEY,
  until INTEGER NOT NULL,             -- milliseconds since the epoch
  ended INTEGER NOT NULL DEFAULT 0    -- 1: it was locked because that is over
) STRICT;
CREATE INDEX account_validity_until ON account_validity (ended, until);
