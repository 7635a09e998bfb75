-- The foundation: strings as integers, events, the state log, accounts, what clients keep.
-- NIDs are never reused (AUTOINCREMENT wherever a swept string could free one). Positions are the one stream clock.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- strings

CREATE TABLE server (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE user (
  nid       INTEGER PRIMARY KEY AUTOINCREMENT,
  server    INTEGER NOT NULL,
  localpart TEXT NOT NULL,
  UNIQUE (server, localpart)
) STRICT;

CREATE TABLE room (
  nid     INTEGER PRIMARY KEY AUTOINCREMENT,
  room_id TEXT NOT NULL UNIQUE
) STRICT;

-- NIDs below 1000 are fixed in the code and seeded there.
CREATE TABLE event_type (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- A (type, state_key) pair. NID = type NID for the empty state key of a well-known type.
CREATE TABLE state_key (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  type INTEGER NOT NULL,
  skey TEXT NOT NULL,
  UNIQUE (type, skey)
) STRICT;

-- alphabet 3 or 4: `id` is the 32 bytes of the reference hash in room version 3's or 4's base64; 0: `id` is the text.
-- The index holds half of a hash, and whole texts: their senders choose them, and could give thousands one beginning.
CREATE TABLE event_id (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  alphabet INTEGER NOT NULL,
  id       ANY NOT NULL
) STRICT;
CREATE INDEX event_id_prefix ON event_id (CASE alphabet WHEN 0 THEN id ELSE substr(id, 1, 16) END);

-- ---------------------------------------------------------------- events

CREATE TABLE event (
  nid        INTEGER PRIMARY KEY,
  room       INTEGER NOT NULL,
  type       INTEGER NOT NULL,
  sender     INTEGER NOT NULL,
  state_key  INTEGER,             -- NULL: not a state event
  depth      INTEGER NOT NULL,    -- clamped to 2^53-1; exact in the body
  ts         INTEGER NOT NULL,    -- origin_server_ts, clamped likewise
  flags      INTEGER NOT NULL,    -- bits: see store/events/flags.ts
  membership INTEGER,             -- of a well-formed m.room.member: see store/events/membership.ts
  pos        INTEGER,             -- arrival order; NULL: outlier, rejected, soft-failed or backfilled
  segment    INTEGER,             -- room order, with idx; NULL: outlier, rejected or soft-failed
  idx        INTEGER,             -- = pos for a live event; counts down from the segment's start for backfill
  line       INTEGER,             -- the state before this event: what `line` says at `line_pos`
  line_pos   INTEGER
) STRICT;

-- The state after a state event, where that is not (line, pos) of its own row: mostly a point on a fork.
CREATE TABLE event_after (
  event    INTEGER PRIMARY KEY,
  line     INTEGER NOT NULL,
  line_pos INTEGER NOT NULL
) STRICT;

-- A body is in one of two tables. New ones are canonical JSON in event_raw, until the packer has looked at them; then
-- they move to event_body, in order, so that its pages are full. Empty most of the time.
CREATE TABLE event_raw (
  nid  INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

-- format 0: canonical JSON as it is; others: see store/bodies/.
CREATE TABLE event_body (
  nid    INTEGER PRIMARY KEY,
  format INTEGER NOT NULL,
  body   BLOB NOT NULL
) STRICT;

CREATE TABLE event_edge (
  child  INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;

CREATE TABLE forward_extremity (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

-- An event that we do not have, and the event of ours before which it comes: as its parent, or with nothing but events
-- in between that cannot be shown.
CREATE TABLE backward_extremity (
  room   INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (room, parent, child)
) STRICT, WITHOUT ROWID;

-- A redaction whose target is not here yet.
CREATE TABLE pending_redaction (
  target    INTEGER NOT NULL,
  redaction INTEGER NOT NULL,
  PRIMARY KEY (target, redaction)
) STRICT, WITHOUT ROWID;

-- Applied redactions: target -> the redaction shown in unsigned.redacted_because.
CREATE TABLE redaction (
  target    INTEGER PRIMARY KEY,
  redaction INTEGER NOT NULL
) STRICT;

CREATE TABLE segment (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  room     INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,      -- the position of the segment's first live event
  older    INTEGER                -- the segment that ends where this one begins, once they have met
) STRICT;
CREATE INDEX segment_room ON segment (room, from_pos);

CREATE TABLE timeline (
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  PRIMARY KEY (segment, idx)
) STRICT, WITHOUT ROWID;

-- Arrival order over all rooms, for followers.
CREATE TABLE stream_event (
  pos   INTEGER PRIMARY KEY,
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------- state

-- kind 0: main, 1: fork.
CREATE TABLE line (
  nid        INTEGER PRIMARY KEY AUTOINCREMENT,
  room       INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  parent     INTEGER,             -- what is not said here is what `parent` says at `parent_pos`
  parent_pos INTEGER,
  depth      INTEGER NOT NULL
) STRICT;
CREATE INDEX line_room ON line (room);
CREATE INDEX line_parent ON line (parent) WHERE parent IS NOT NULL;

-- event 0: the key is absent from pos on.
CREATE TABLE state_change (
  line  INTEGER NOT NULL,
  key   INTEGER NOT NULL,
  pos   INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (line, key, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_change_pos ON state_change (line, pos);

CREATE TABLE room_line (
  room     INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,
  line     INTEGER NOT NULL,
  PRIMARY KEY (room, from_pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE current_state (
  room  INTEGER NOT NULL,
  key   INTEGER NOT NULL,
  event INTEGER NOT NULL,
  pos   INTEGER NOT NULL,
  PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

-- Results of merging unequal points, by the digest of the sorted points.
CREATE TABLE merged_point (
  room     INTEGER NOT NULL,
  inputs   BLOB NOT NULL,
  line     INTEGER NOT NULL,
  line_pos INTEGER NOT NULL,
  PRIMARY KEY (room, inputs)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- auth graph (state events only)

CREATE TABLE auth_node (
  event   INTEGER PRIMARY KEY,
  chain   INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  rank    INTEGER NOT NULL,       -- 1 + the highest rank among its auth events; the create event has 0
  edges   BLOB NOT NULL,          -- NIDs of its auth events as varints
  witness INTEGER                 -- a state event whose chain was once seen to hold this one
) STRICT;
CREATE UNIQUE INDEX auth_node_chain ON auth_node (chain, seq);

-- Children over chain borders; not of the create event.
CREATE TABLE auth_child (
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- rooms

CREATE TABLE room_info (
  room      INTEGER PRIMARY KEY,
  version   TEXT NOT NULL,
  line      INTEGER NOT NULL,     -- the main line
  segment   INTEGER NOT NULL,     -- the newest segment
  last_pos  INTEGER NOT NULL,     -- of the newest live event
  joined    INTEGER NOT NULL DEFAULT 0,
  invited   INTEGER NOT NULL DEFAULT 0,
  knocked   INTEGER NOT NULL DEFAULT 0,
  banned    INTEGER NOT NULL DEFAULT 0,
  servers   INTEGER NOT NULL DEFAULT 0,  -- with a joined user
  states    INTEGER NOT NULL DEFAULT 0,  -- entries of the current state
  published INTEGER NOT NULL DEFAULT 0   -- in the public directory
) STRICT;
CREATE INDEX room_info_published ON room_info (published, joined) WHERE published = 1;

-- membership: 1 join, 2 invite, 3 knock, 4 leave, 5 ban.
CREATE TABLE member (
  room       INTEGER NOT NULL,
  user       INTEGER NOT NULL,
  membership INTEGER NOT NULL,
  event      INTEGER NOT NULL,
  pos        INTEGER NOT NULL,
  PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_membership ON member (room, membership, user);

-- Who must receive what happens in the room: [from_pos, to_pos); to_pos NULL while the server is in the room.
CREATE TABLE room_server (
  room     INTEGER NOT NULL,
  server   INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,
  to_pos   INTEGER,
  joined   INTEGER NOT NULL,
  PRIMARY KEY (room, server, from_pos)
) STRICT, WITHOUT ROWID;

-- A local user's view of a room. Lives on when the user has left, until forgotten.
CREATE TABLE local_member (
  user       INTEGER NOT NULL,
  room       INTEGER NOT NULL,
  membership INTEGER NOT NULL,
  event      INTEGER NOT NULL,
  pos        INTEGER NOT NULL,     -- when this membership began (profile changes do not move it)
  forgotten  INTEGER NOT NULL DEFAULT 0,
  stripped   TEXT,                 -- invite_room_state / knock_room_state, a JSON array, where the room is not ours to read
  PRIMARY KEY (user, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX local_member_membership ON local_member (user, membership, room);
CREATE INDEX local_member_room ON local_member (room, membership, user);
CREATE INDEX local_member_pos ON local_member (user, pos);

CREATE TABLE alias (
  alias   TEXT PRIMARY KEY,
  room    INTEGER NOT NULL,
  creator INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_room ON alias (room);

-- A device's transaction IDs; rows outlive their use by a few days only.
CREATE TABLE event_txn (
  event  INTEGER PRIMARY KEY,     -- in the order of their making, by which they also expire
  device INTEGER NOT NULL,
  txn    TEXT NOT NULL,           -- path class and transaction ID
  ts     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_txn_device ON event_txn (device, txn);

-- ---------------------------------------------------------------- receipts, read state, notification counts

-- kind 1: m.read, 2: m.read.private. thread 0: unthreaded, -1: "main", else the thread root's NID.
CREATE TABLE receipt (
  room   INTEGER NOT NULL,
  user   INTEGER NOT NULL,
  kind   INTEGER NOT NULL,
  thread INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  ts     INTEGER NOT NULL,
  pos    INTEGER NOT NULL,
  PRIMARY KEY (room, user, kind, thread)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_room_pos ON receipt (room, pos);
CREATE INDEX receipt_pos ON receipt (pos, room);

-- One row for each of the newest events that notified a user and are unread; older ones are only counted in `unread`.
CREATE TABLE push_action (
  user      INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  event     INTEGER NOT NULL,
  thread    INTEGER NOT NULL,
  highlight INTEGER NOT NULL,
  PRIMARY KEY (user, room, pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE unread (
  user      INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  thread    INTEGER NOT NULL,     -- 0 or -1: the main timeline
  notify    INTEGER NOT NULL,
  highlight INTEGER NOT NULL,
  pos       INTEGER NOT NULL,     -- when the counts last changed, for /sync
  PRIMARY KEY (user, room, thread)
) STRICT, WITHOUT ROWID;
CREATE INDEX unread_pos ON unread (user, pos);

-- ---------------------------------------------------------------- accounts

CREATE TABLE account (
  user        INTEGER PRIMARY KEY,
  kind        INTEGER NOT NULL,   -- 0 person, 1 guest, 2 application service
  password    TEXT,               -- PHC string; NULL: no password login
  admin       INTEGER NOT NULL DEFAULT 0,
  created     INTEGER NOT NULL,
  deactivated INTEGER NOT NULL DEFAULT 0,
  erased      INTEGER NOT NULL DEFAULT 0,
  locked      INTEGER NOT NULL DEFAULT 0,
  suspended   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX account_deactivated ON account (deactivated) WHERE deactivated = 1;

CREATE TABLE device (
  nid          INTEGER PRIMARY KEY AUTOINCREMENT,
  user         INTEGER NOT NULL,
  device_id    TEXT NOT NULL,
  display_name TEXT,
  created      INTEGER NOT NULL,
  seen_ts      INTEGER,
  seen_ip      TEXT,
  seen_agent   TEXT,
  UNIQUE (user, device_id)
) STRICT;

CREATE TABLE access_token (
  hash    BLOB PRIMARY KEY,       -- sha256 of the token
  user    INTEGER NOT NULL,
  device  INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  refresh BLOB                    -- hash of the refresh token it came with
) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_device ON access_token (device);

-- The predecessor stays valid until the successor or its access token is used.
CREATE TABLE refresh_token (
  hash      BLOB PRIMARY KEY,
  user      INTEGER NOT NULL,
  device    INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  successor BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_device ON refresh_token (device);
CREATE INDEX refresh_token_successor ON refresh_token (successor) WHERE successor IS NOT NULL;

CREATE TABLE login_token (
  hash    BLOB PRIMARY KEY,
  user    INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_token_expires ON login_token (expires);

CREATE TABLE registration_token (
  token     TEXT PRIMARY KEY,
  uses      INTEGER,              -- allowed; NULL: any number
  used      INTEGER NOT NULL DEFAULT 0,
  pending   INTEGER NOT NULL DEFAULT 0,
  created   INTEGER NOT NULL,
  expires   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE uia_session (
  id         TEXT PRIMARY KEY,
  operation  TEXT NOT NULL,       -- method, path and digest of the request it was opened for
  user       INTEGER,
  completed  TEXT NOT NULL,       -- JSON array of stages
  params     TEXT NOT NULL,       -- JSON: the first request's body, and what stages remember
  expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uia_session_expires ON uia_session (expires);

-- Fields of a profile, JSON values.
CREATE TABLE profile (
  user  INTEGER NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (user, field)
) STRICT, WITHOUT ROWID;

-- room 0: global. content NULL is never stored: an emptied entry is '{}'.
CREATE TABLE account_data (
  user    INTEGER NOT NULL,
  room    INTEGER NOT NULL,
  type    TEXT NOT NULL,
  content TEXT NOT NULL,
  pos     INTEGER NOT NULL,
  PRIMARY KEY (user, room, type)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_data_pos ON account_data (user, pos);

CREATE TABLE filter (
  user   INTEGER NOT NULL,
  id     INTEGER NOT NULL,
  digest BLOB NOT NULL,           -- sha256 of the JSON: the same filter gets the same ID
  filter TEXT NOT NULL,
  PRIMARY KEY (user, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX filter_digest ON filter (user, digest);

-- Our own signing keys; the seed of the present one is in signing.key.
CREATE TABLE server_key (
  key_id  TEXT PRIMARY KEY,
  public  BLOB NOT NULL,
  created INTEGER NOT NULL,
  expired INTEGER                 -- NULL: in use
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- media (the bytes are in media.db)

CREATE TABLE media (
  server       INTEGER NOT NULL,
  media_id     TEXT NOT NULL,
  uploader     INTEGER,
  created      INTEGER NOT NULL,
  expires      INTEGER,           -- of a reserved ID without content
  content      BLOB,              -- sha256 of the bytes; NULL: not yet uploaded
  size         INTEGER,
  content_type TEXT,
  file_name    TEXT,
  last_access  INTEGER,
  PRIMARY KEY (server, media_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_content ON media (content) WHERE content IS NOT NULL;
CREATE INDEX media_reserved ON media (uploader, expires) WHERE content IS NULL;
CREATE INDEX media_expiring ON media (expires) WHERE content IS NULL;

CREATE TABLE thumbnail (
  content   BLOB NOT NULL,        -- sha256 of the original
  width     INTEGER NOT NULL,
  height    INTEGER NOT NULL,
  method    TEXT NOT NULL,
  animated  INTEGER NOT NULL,
  thumbnail BLOB NOT NULL,        -- sha256 of the thumbnail's bytes
  size      INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  PRIMARY KEY (content, width, height, method, animated)
) STRICT, WITHOUT ROWID;
CREATE INDEX thumbnail_bytes ON thumbnail (thumbnail);
