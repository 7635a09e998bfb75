-- Which addresses of users identity servers were told of, so that it can be taken back.
CREATE TABLE bound_address (
  user            INTEGER NOT NULL,
  medium          TEXT NOT NULL,  -- email, msisdn
  address         TEXT NOT NULL,
  identity_server TEXT NOT NULL,
  PRIMARY KEY (user, medium, address, identity_server)
) STRICT, WITHOUT ROWID;
