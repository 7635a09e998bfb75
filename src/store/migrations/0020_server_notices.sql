-- The room in which the server tells a user something; one for each user.

CREATE TABLE notice_room (
  user INTEGER PRIMARY KEY,
  room INTEGER NOT NULL
) STRICT;
