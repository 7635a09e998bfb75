-- Rooms whose current state is still to be resolved from the states at their ends: the conflict was too large to be
-- resolved while events were taken in.

CREATE TABLE unsettled_room (
  room INTEGER PRIMARY KEY
) STRICT;
