-- Which addresses of users identity servers were told of, so that it can be taken back.
CREATE TABLE bound_address (
  user    INTEGER NOT NULL,
  medium  TEXT NOT NULL,       -- email, msisdn
  address TEXT NOT NULL,
  server  TEXT NOT NULL,       -- the identity server's name
  PRIMARY KEY (user, medium, address, server)
) STRICT, WITHOUT ROWID;
