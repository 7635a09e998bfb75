-- What events said that were redacted while members of their room are missing: until it is known that the redaction is
-- allowed.

CREATE TABLE redacted_original (
  room   INTEGER NOT NULL,
  target INTEGER NOT NULL,
  body   BLOB NOT NULL,           -- canonical JSON
  PRIMARY KEY (room, target)
) STRICT, WITHOUT ROWID;
