-- Words of the messages, names and topics that can be searched; the rowid is the event's NID. The texts themselves stand
-- in the events only.
CREATE VIRTUAL TABLE message_text USING fts5(
  words,
  content = '',
  contentless_delete = 1,
  detail = none,
  tokenize = 'ascii'
);

-- Rooms that anybody may join or read: who is in them can be found by anybody.
CREATE TABLE open_room (
  room INTEGER PRIMARY KEY
) STRICT;

-- The words of local users' names.
CREATE TABLE user_word (
  word TEXT NOT NULL,
  user INTEGER NOT NULL,
  PRIMARY KEY (word, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_word_user ON user_word (user);
