-- The schema after all migrations; written by scripts/write-schema.ts.
PRAGMA user_version = 28;

CREATE TABLE access_token (
  hash    BLOB PRIMARY KEY,       -- sha256 of the token
  user    INTEGER NOT NULL,
  device  INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  refresh BLOB                    -- hash of the refresh token it came with
) STRICT, WITHOUT ROWID;

CREATE INDEX access_token_device ON access_token (device);

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

CREATE TABLE account_data (
  user    INTEGER NOT NULL,
  room    INTEGER NOT NULL,
  type    TEXT NOT NULL,
  content TEXT NOT NULL,
  pos     INTEGER NOT NULL,
  PRIMARY KEY (user, room, type)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_data_pos ON account_data (user, pos);

CREATE TABLE account_validity (
  user  INTEGER PRIMARY KEY,
  until INTEGER NOT NULL,             -- milliseconds since the epoch
  ended INTEGER NOT NULL DEFAULT 0    -- 1: it was locked because that is over
) STRICT;

CREATE INDEX account_validity_until ON account_validity (ended, until);

CREATE TABLE addressed_event (
  server INTEGER NOT NULL,
  pos    INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  PRIMARY KEY (server, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX addressed_event_pos ON addressed_event (pos);

CREATE TABLE alias (
  alias   TEXT PRIMARY KEY,
  room    INTEGER NOT NULL,
  creator INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX alias_room ON alias (room);

CREATE TABLE auth_child (
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_node (
  event   INTEGER PRIMARY KEY,
  chain   INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  rank    INTEGER NOT NULL,       -- 1 + the highest rank among its auth events; the create event has 0
  edges   BLOB NOT NULL,          -- NIDs of its auth events as varints
  witness INTEGER                 -- a state event whose chain was once seen to hold this one
) STRICT;

CREATE UNIQUE INDEX auth_node_chain ON auth_node (chain, seq);

CREATE TABLE backup_session (
  nid       INTEGER PRIMARY KEY,
  store     INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  session   TEXT NOT NULL,
  first     INTEGER NOT NULL,     -- first_message_index
  forwarded INTEGER NOT NULL,
  verified  INTEGER NOT NULL,
  data      TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX backup_session_key ON backup_session (store, room, session);

CREATE TABLE backup_store (
  nid     INTEGER PRIMARY KEY AUTOINCREMENT,
  dropped INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX backup_store_dropped ON backup_store (dropped) WHERE dropped = 1;

CREATE TABLE backward_extremity (
  room   INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (room, parent, child)
) STRICT, WITHOUT ROWID;

CREATE TABLE bound_address (
  user            INTEGER NOT NULL,
  medium          TEXT NOT NULL,  -- email, msisdn
  address         TEXT NOT NULL,
  identity_server TEXT NOT NULL,
  PRIMARY KEY (user, medium, address, identity_server)
) STRICT, WITHOUT ROWID;

CREATE TABLE cited_event (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE cross_signing_key (
  user   INTEGER NOT NULL,
  usage  INTEGER NOT NULL,
  public TEXT NOT NULL,
  key    TEXT NOT NULL,
  PRIMARY KEY (user, usage)
) STRICT, WITHOUT ROWID;

CREATE TABLE current_state (
  room  INTEGER NOT NULL,
  key   INTEGER NOT NULL,
  event INTEGER NOT NULL,
  pos   INTEGER NOT NULL, other INTEGER,
  PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX current_state_other ON current_state (room, key) WHERE other = 1;

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

CREATE INDEX deferred_pdu_retry ON deferred_pdu (retry_at);

CREATE INDEX deferred_pdu_room ON deferred_pdu (room);

CREATE TABLE dehydrated_device (
  user   INTEGER PRIMARY KEY,
  device INTEGER NOT NULL UNIQUE,
  data   TEXT NOT NULL
) STRICT;

CREATE TABLE delayed_event (
  id      TEXT PRIMARY KEY,     -- the secret by which it is managed
  user    INTEGER NOT NULL,
  room    INTEGER NOT NULL,
  kind    TEXT NOT NULL,        -- the event's type
  skey    TEXT,                 -- NULL: no state event
  content TEXT NOT NULL,
  delay   INTEGER NOT NULL,     -- milliseconds
  txn     TEXT UNIQUE,
  started INTEGER NOT NULL,     -- milliseconds since the epoch, as `due` and `ended`
  due     INTEGER NOT NULL,
  status  INTEGER NOT NULL DEFAULT 0,  -- 0 scheduled, 1 sent, 2 cancelled, 3 failed
  ended   INTEGER,
  event   INTEGER,
  errcode TEXT
, error TEXT) STRICT, WITHOUT ROWID;

CREATE INDEX delayed_event_due ON delayed_event (due) WHERE status = 0;

CREATE INDEX delayed_event_ended ON delayed_event (ended);

CREATE INDEX delayed_event_event ON delayed_event (event) WHERE event IS NOT NULL;

CREATE INDEX delayed_event_of ON delayed_event (user, ended) WHERE ended IS NOT NULL;

CREATE INDEX delayed_event_room ON delayed_event (room);

CREATE INDEX delayed_event_state ON delayed_event (room, kind, skey) WHERE status = 0;

CREATE INDEX delayed_event_user ON delayed_event (user, due) WHERE status = 0;

CREATE TABLE destination (
  server     INTEGER PRIMARY KEY,
  told       INTEGER NOT NULL,    -- of events up to here
  edus       INTEGER NOT NULL,    -- of everything else up to here
  upto       INTEGER,             -- the end of the transaction that was begun and must be repeated as it is
  catch_to   INTEGER,             -- NULL, or: up to here only what still matters is told, room by room
  catch_room INTEGER NOT NULL DEFAULT 0,  -- rooms with NIDs up to here are done
  failures   INTEGER NOT NULL DEFAULT 0,  -- in a row
  due        INTEGER,             -- milliseconds since the epoch; NULL: there was nothing more to tell
  error      TEXT                 -- why it failed last
) STRICT;

CREATE INDEX destination_due ON destination (due, told);

CREATE INDEX destination_told ON destination (told);

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

CREATE TABLE device_keys (
  device INTEGER PRIMARY KEY,
  keys   TEXT NOT NULL
) STRICT;

CREATE TABLE device_list (
  user INTEGER PRIMARY KEY,
  pos  INTEGER NOT NULL
) STRICT;

CREATE INDEX device_list_pos ON device_list (pos);

CREATE TABLE device_update (
  user      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  device_id TEXT NOT NULL,
  PRIMARY KEY (user, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX device_update_pos ON device_update (pos);

CREATE TABLE discovered (
  name      TEXT PRIMARY KEY,
  delegated TEXT,              -- NULL: there was no usable answer
  fetched   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  failures  INTEGER NOT NULL   -- in a row
) STRICT, WITHOUT ROWID;

CREATE INDEX discovered_expires ON discovered (expires);

CREATE TABLE empty_room (
  room  INTEGER PRIMARY KEY,
  since INTEGER NOT NULL             -- milliseconds since the epoch
) STRICT;

CREATE INDEX empty_room_since ON empty_room (since);

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

CREATE TABLE event_after (
  event    INTEGER PRIMARY KEY,
  line     INTEGER NOT NULL,
  line_pos INTEGER NOT NULL
) STRICT;

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

CREATE TABLE event_id (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  alphabet INTEGER NOT NULL,
  id       ANY NOT NULL
) STRICT;

CREATE INDEX event_id_prefix ON event_id (CASE alphabet WHEN 0 THEN id ELSE substr(id, 1, 16) END);

CREATE TABLE event_raw (
  nid  INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE event_txn (
  event  INTEGER PRIMARY KEY,     -- in the order of their making, by which they also expire
  device INTEGER NOT NULL,
  txn    TEXT NOT NULL,           -- path class and transaction ID
  ts     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_txn_device ON event_txn (device, txn);

CREATE TABLE event_type (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE fallback_key (
  device    INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  key_id    TEXT NOT NULL,
  key       TEXT NOT NULL,
  used      INTEGER NOT NULL,
  PRIMARY KEY (device, algorithm)
) STRICT, WITHOUT ROWID;

CREATE TABLE filter (
  user   INTEGER NOT NULL,
  id     INTEGER NOT NULL,
  digest BLOB NOT NULL,           -- sha256 of the JSON: the same filter gets the same ID
  filter TEXT NOT NULL,
  PRIMARY KEY (user, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX filter_digest ON filter (user, digest);

CREATE TABLE forward_extremity (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE history_floor (
  room    INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  pos     INTEGER NOT NULL             -- everything that came up to here is below; 0: nothing that came live
) STRICT;

CREATE TABLE history_state (
  segment INTEGER NOT NULL,     -- negative: of the one event with that number, which has no place
  key     INTEGER NOT NULL,     -- the history's visibility, or the membership of a user of this server
  idx     INTEGER NOT NULL,
  event   INTEGER,              -- 0: absent; NULL: not known
  PRIMARY KEY (segment, key, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE join_sample (
  nid    INTEGER PRIMARY KEY AUTOINCREMENT,
  ts     INTEGER NOT NULL,
  events INTEGER NOT NULL,       -- entries of the state
  ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE kept_message (
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_backup (
  user      INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  auth_data TEXT,
  store     INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  etag      INTEGER NOT NULL,
  -- Its number before the server was restored from a backup, if it was.
  formerly  INTEGER,
  PRIMARY KEY (user, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_count (
  device   INTEGER PRIMARY KEY,
  counts   TEXT NOT NULL,
  fallback TEXT NOT NULL,
  pos      INTEGER NOT NULL
) STRICT;

CREATE TABLE key_signature (
  user      INTEGER NOT NULL,
  target    TEXT NOT NULL,
  signer    INTEGER NOT NULL,
  key_id    TEXT NOT NULL,
  signature TEXT NOT NULL,
  pos       INTEGER NOT NULL,
  PRIMARY KEY (user, target, signer, key_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_signature_signer ON key_signature (signer, pos);

CREATE TABLE line (
  nid        INTEGER PRIMARY KEY AUTOINCREMENT,
  room       INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  parent     INTEGER,             -- what is not said here is what `parent` says at `parent_pos`
  parent_pos INTEGER,
  depth      INTEGER NOT NULL
) STRICT;

CREATE INDEX line_parent ON line (parent) WHERE parent IS NOT NULL;

CREATE INDEX line_room ON line (room);

CREATE TABLE listed_room (
  server  INTEGER NOT NULL,
  room_id TEXT NOT NULL,
  joined  INTEGER NOT NULL,
  summary TEXT NOT NULL,        -- JSON
  seen    INTEGER NOT NULL,     -- the round in which it was last told
  PRIMARY KEY (server, room_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX listed_room_room ON listed_room (room_id, server);

CREATE INDEX listed_room_size ON listed_room (joined, room_id, server);

CREATE TABLE listed_server (
  server INTEGER PRIMARY KEY,
  round  INTEGER NOT NULL,      -- when the present round began, or the last one
  next   TEXT,                  -- where the present round goes on; NULL: it is over
  rooms  INTEGER NOT NULL,      -- told in the present round
  due    INTEGER NOT NULL       -- when to ask next
) STRICT;

CREATE INDEX listed_server_due ON listed_server (due);

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

CREATE INDEX local_member_begin ON local_member (pos) WHERE membership = 1;

CREATE INDEX local_member_membership ON local_member (user, membership, room);

CREATE INDEX local_member_pos ON local_member (user, pos);

CREATE INDEX local_member_room ON local_member (room, membership, user);

CREATE TABLE login_token (
  hash    BLOB PRIMARY KEY,
  user    INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX login_token_expires ON login_token (expires);

CREATE TABLE mail_address (
  address   TEXT PRIMARY KEY,   -- lower case
  user      INTEGER NOT NULL,
  validated INTEGER NOT NULL,   -- milliseconds since the epoch
  added     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mail_address_user ON mail_address (user);

CREATE TABLE mail_session (
  sid           TEXT PRIMARY KEY,
  address       TEXT NOT NULL,
  client_secret TEXT NOT NULL,
  purpose       INTEGER NOT NULL,   -- 0 for an account's address, 1 for a new account, 2 for a new password
  send_attempt  INTEGER NOT NULL,
  token         BLOB NOT NULL,      -- SHA-256 of what stands in the newest mail
  next_link     TEXT,
  mails         INTEGER NOT NULL,   -- how many were sent
  validated     INTEGER,
  expires       INTEGER NOT NULL,
  UNIQUE (address, client_secret, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX mail_session_expires ON mail_session (expires);

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

CREATE INDEX media_expiring ON media (expires) WHERE content IS NULL;

CREATE INDEX media_kept ON media (last_access, size) WHERE last_access IS NOT NULL;

CREATE INDEX media_reserved ON media (uploader, expires) WHERE content IS NULL;

CREATE TABLE member (
  room       INTEGER NOT NULL,
  user       INTEGER NOT NULL,
  membership INTEGER NOT NULL,
  event      INTEGER NOT NULL,
  pos        INTEGER NOT NULL,
  PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_membership ON member (room, membership, user);

CREATE INDEX member_pos ON member (room, pos);

CREATE TABLE merged_point (
  room     INTEGER NOT NULL,
  inputs   BLOB NOT NULL,
  line     INTEGER NOT NULL,
  line_pos INTEGER NOT NULL,
  PRIMARY KEY (room, inputs)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE message_text USING fts5(
  words,
  content = '',
  contentless_delete = 1,
  detail = none,
  tokenize = 'ascii'
);

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE notice_room (
  user INTEGER PRIMARY KEY,
  room INTEGER NOT NULL
) STRICT;

CREATE TABLE one_time_key (
  device    INTEGER NOT NULL,
  algorithm TEXT NOT NULL,
  key_id    TEXT NOT NULL,
  n         INTEGER NOT NULL,     -- in the order of the uploads
  key       TEXT,
  PRIMARY KEY (device, algorithm, key_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_key_claimed ON one_time_key (device, algorithm, n) WHERE key IS NULL;

CREATE INDEX one_time_key_order ON one_time_key (device, algorithm, n) WHERE key IS NOT NULL;

CREATE TABLE open_room (
  room INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE openid_token (
  hash    BLOB PRIMARY KEY,     -- SHA-256 of the token
  user    INTEGER NOT NULL,
  expires INTEGER NOT NULL      -- milliseconds since the epoch
) STRICT, WITHOUT ROWID;

CREATE INDEX openid_token_expires ON openid_token (expires);

CREATE TABLE outbox (
  one     INTEGER PRIMARY KEY,
  told    INTEGER NOT NULL,       -- up to here they have been told
  telling INTEGER NOT NULL,       -- the end of the span that is being told; = told: none is
  done    INTEGER NOT NULL,       -- of that span: servers with NIDs up to here have had it
  kept    INTEGER NOT NULL        -- `outgoing` is complete after this position
) STRICT;

CREATE TABLE outgoing (
  pos    INTEGER PRIMARY KEY,
  room   INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  server INTEGER NOT NULL         -- the sender's, which knows of it
) STRICT;

CREATE TABLE outgoing_room (
  room   INTEGER PRIMARY KEY,
  pos    INTEGER NOT NULL,
  event  INTEGER NOT NULL,
  server INTEGER NOT NULL
) STRICT;

CREATE TABLE outgrown_room (
  room    INTEGER PRIMARY KEY,
  since   INTEGER NOT NULL,
  limits  TEXT NOT NULL              -- JSON: what is above what
, thinned INTEGER) STRICT;

CREATE TABLE partial_event (
  room  INTEGER NOT NULL,
  nr    INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (room, nr)
) STRICT, WITHOUT ROWID;

CREATE TABLE pending_redaction (
  target    INTEGER NOT NULL,
  redaction INTEGER NOT NULL,
  PRIMARY KEY (target, redaction)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile (
  user  INTEGER NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (user, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE push_action (
  user      INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  event     INTEGER NOT NULL,
  thread    INTEGER NOT NULL,
  highlight INTEGER NOT NULL, actions ANY NOT NULL DEFAULT 0,
  PRIMARY KEY (user, room, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX push_action_pos ON push_action (user, pos);

CREATE TABLE push_read (
  user      INTEGER NOT NULL,
  pos       INTEGER NOT NULL,
  room      INTEGER NOT NULL,
  event     INTEGER NOT NULL,
  highlight INTEGER NOT NULL,
  actions   ANY NOT NULL,
  PRIMARY KEY (user, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX push_read_room ON push_read (user, room);

CREATE TABLE pusher (
  nid                 INTEGER PRIMARY KEY AUTOINCREMENT,
  user                INTEGER NOT NULL,
  device              INTEGER NOT NULL,
  app_id              TEXT NOT NULL,
  pushkey             TEXT NOT NULL,
  app_display_name    TEXT NOT NULL,
  device_display_name TEXT NOT NULL,
  profile_tag         TEXT,
  lang                TEXT NOT NULL,
  data                TEXT NOT NULL,     -- a JSON object
  enabled             INTEGER NOT NULL,
  updated             INTEGER NOT NULL,  -- milliseconds since the epoch
  cursor              INTEGER NOT NULL,  -- what notifies up to this position has been told, or need not be
  badge               INTEGER,           -- the unread count that was told last
  ready               INTEGER,
  retry_at            INTEGER,           -- milliseconds since the epoch
  failures            INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL DEFAULT 0,
  UNIQUE (app_id, pushkey, user)
) STRICT;

CREATE INDEX pusher_device ON pusher (device);

CREATE INDEX pusher_ready ON pusher (ready) WHERE ready IS NOT NULL;

CREATE INDEX pusher_retry ON pusher (retry_at) WHERE retry_at IS NOT NULL;

CREATE INDEX pusher_user ON pusher (user);

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

CREATE INDEX receipt_pos ON receipt (pos, room);

CREATE INDEX receipt_room_pos ON receipt (room, pos);

CREATE TABLE received_transaction (
  origin INTEGER PRIMARY KEY,
  txn    TEXT NOT NULL,
  answer TEXT NOT NULL,
  ts     INTEGER NOT NULL
) STRICT;

CREATE INDEX received_transaction_ts ON received_transaction (ts);

CREATE TABLE reception_mark (
  ts    INTEGER PRIMARY KEY,           -- milliseconds since the epoch
  pos   INTEGER NOT NULL,              -- everything up to here had come by then
  heard_of INTEGER NOT NULL            -- event IDs up to this number had been heard of
) STRICT;

CREATE TABLE redacted_original (
  room   INTEGER NOT NULL,
  target INTEGER NOT NULL,
  body   BLOB NOT NULL,           -- canonical JSON
  PRIMARY KEY (room, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE redaction (
  target    INTEGER PRIMARY KEY,
  redaction INTEGER NOT NULL
) STRICT;

CREATE TABLE refresh_token (
  hash      BLOB PRIMARY KEY,
  user      INTEGER NOT NULL,
  device    INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  successor BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_token_device ON refresh_token (device);

CREATE INDEX refresh_token_successor ON refresh_token (successor) WHERE successor IS NOT NULL;

CREATE TABLE registration_token (
  token     TEXT PRIMARY KEY,
  uses      INTEGER,              -- allowed; NULL: any number
  used      INTEGER NOT NULL DEFAULT 0,
  pending   INTEGER NOT NULL DEFAULT 0,
  created   INTEGER NOT NULL,
  expires   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE relation (
  target  INTEGER NOT NULL,
  segment INTEGER NOT NULL,       -- of the event that relates to `target`, as in `event`
  idx     INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  rel     INTEGER NOT NULL,       -- rel_type, interned like an event type
  type    INTEGER NOT NULL,
  sender  INTEGER NOT NULL,
  ts      INTEGER NOT NULL,
  digest  INTEGER NOT NULL,       -- of an annotation's key: 31 bits; 0 without
  PRIMARY KEY (target, segment, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX relation_kind ON relation (target, rel, sender, type, ts);

CREATE TABLE remote_device (
  user         INTEGER NOT NULL,
  device_id    TEXT NOT NULL,
  display_name TEXT,
  keys         TEXT NOT NULL,
  PRIMARY KEY (user, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE remote_key (
  server      INTEGER NOT NULL,
  key_id      TEXT NOT NULL,
  public      BLOB NOT NULL,
  valid_until INTEGER NOT NULL,  -- events up to then may be signed with it; at most a week after it was fetched
  expired     INTEGER NOT NULL,  -- 1: its server does not use it any more
  PRIMARY KEY (server, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE remote_key_answer (
  server      INTEGER PRIMARY KEY,
  answer      TEXT NOT NULL,
  valid_until INTEGER NOT NULL,  -- as its server says, at most a week after it was fetched
  fetched     INTEGER NOT NULL
) STRICT;

CREATE INDEX remote_key_answer_fetched ON remote_key_answer (fetched);

CREATE TABLE remote_list (
  user         INTEGER PRIMARY KEY,
  stream       INTEGER,                     -- stream_id of the newest update in it; NULL: from an answer that tells none
  stale        INTEGER NOT NULL,            -- 1: something in it is missing
  marks        INTEGER NOT NULL DEFAULT 0,  -- how often there was news: an answer that began before the last one is old
  due          INTEGER,                     -- when it is to be fetched, milliseconds since the epoch
  failures     INTEGER NOT NULL DEFAULT 0,
  master       TEXT,
  self_signing TEXT
) STRICT;

CREATE INDEX remote_list_due ON remote_list (due) WHERE due IS NOT NULL;

CREATE TABLE remote_server (
  server   INTEGER PRIMARY KEY,
  answered INTEGER,           -- when it last answered or called, to a quarter of an hour; NULL: never yet
  failing  INTEGER,           -- since when it does not answer; NULL: it does
  wait     INTEGER NOT NULL,  -- milliseconds of the present back-off
  retry_at INTEGER,           -- until when it is left alone; NULL: it is not
  seen     INTEGER NOT NULL   -- the later of `answered` and `retry_at`
) STRICT;

CREATE INDEX remote_server_failing ON remote_server (failing) WHERE failing IS NOT NULL;

CREATE INDEX remote_server_never ON remote_server (seen) WHERE answered IS NULL;

CREATE INDEX remote_server_seen ON remote_server (seen);

CREATE TABLE report (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  ts       INTEGER NOT NULL,    -- milliseconds since the epoch
  reporter INTEGER NOT NULL,
  room     INTEGER,
  event    INTEGER,
  reported INTEGER,
  reason   TEXT NOT NULL
) STRICT;

CREATE TABLE room (
  nid     INTEGER PRIMARY KEY AUTOINCREMENT,
  room_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE room_activity (
  room        INTEGER PRIMARY KEY,
  since       INTEGER NOT NULL,      -- the figures are of the time from then on, milliseconds since the epoch
  events      INTEGER NOT NULL,
  micros      INTEGER NOT NULL,      -- of the main thread, for taking events in
  deliveries  INTEGER NOT NULL,      -- to other servers: one for each event and server
  resolutions INTEGER NOT NULL
) STRICT;

CREATE TABLE room_completion (
  room INTEGER PRIMARY KEY,
  pos  INTEGER NOT NULL
) STRICT;

CREATE INDEX room_completion_pos ON room_completion (pos);

CREATE TABLE room_cost (
  room     INTEGER PRIMARY KEY,
  bytes    INTEGER NOT NULL,
  groups   TEXT NOT NULL,            -- JSON: bytes by kind
  measured INTEGER NOT NULL          -- milliseconds since the epoch
) STRICT;

CREATE TABLE room_exemption (
  room INTEGER PRIMARY KEY,
  ts   INTEGER NOT NULL          -- milliseconds since the epoch
) STRICT;

CREATE TABLE room_import (
  room     INTEGER PRIMARY KEY,
  line     INTEGER NOT NULL,          -- the main line to be
  base     INTEGER NOT NULL,          -- the position of the state on it
  first    INTEGER NOT NULL,          -- no event stored for it has a lower number
  replaces INTEGER NOT NULL DEFAULT 0 -- the state that was there before is being removed, or is gone
) STRICT;

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

CREATE TABLE room_join (
  room    INTEGER PRIMARY KEY,
  user    INTEGER NOT NULL,
  servers TEXT NOT NULL,               -- JSON: who is asked, in this order
  said    TEXT NOT NULL,               -- JSON: what the member event says besides the membership
  tries   INTEGER NOT NULL DEFAULT 0   -- how often it was taken up again
) STRICT;

CREATE TABLE room_line (
  room     INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,
  line     INTEGER NOT NULL,
  PRIMARY KEY (room, from_pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE room_partial (
  room       INTEGER PRIMARY KEY,
  line       INTEGER NOT NULL,             -- the main line, and
  base       INTEGER NOT NULL,             -- the position on it where what is missing belongs
  event      INTEGER NOT NULL,             -- the join: the state before it is what is asked for
  user       INTEGER NOT NULL,             -- who joined by it
  servers    TEXT NOT NULL,                -- JSON: who is asked, the one that let us in first
  since      INTEGER NOT NULL,             -- when the room was entered, milliseconds
  tries      INTEGER NOT NULL DEFAULT 0,   -- that have failed
  next_try   INTEGER NOT NULL DEFAULT 0,   -- not before this time, milliseconds
  gives_up   INTEGER NOT NULL DEFAULT 0,   -- 1: nobody is asked any more unless the admin says so
  problem    TEXT,                         -- why the last try failed
  events     INTEGER NOT NULL DEFAULT 0,   -- stored for it so far
  members    INTEGER NOT NULL DEFAULT 0,   -- filled in so far
  filled     INTEGER NOT NULL DEFAULT 0    -- 1: all of the state is here, and what came meanwhile is gone through
) STRICT;

CREATE TABLE room_purge (
  room   INTEGER PRIMARY KEY,
  start  INTEGER NOT NULL,           -- not before, milliseconds since the epoch
  stage  INTEGER NOT NULL DEFAULT 0, -- stages before this one are done
  cursor INTEGER NOT NULL DEFAULT 0  -- within the stage
) STRICT;

CREATE TABLE room_server (
  room     INTEGER NOT NULL,
  server   INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,
  to_pos   INTEGER,
  joined   INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (room, server, from_pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX room_server_ended ON room_server (server, room, to_pos) WHERE to_pos IS NOT NULL;

CREATE INDEX room_server_server ON room_server (server, room) WHERE to_pos IS NULL;

CREATE TABLE segment (
  nid      INTEGER PRIMARY KEY AUTOINCREMENT,
  room     INTEGER NOT NULL,
  from_pos INTEGER NOT NULL,      -- the position of the segment's first live event
  older    INTEGER                -- the segment that ends where this one begins, once they have met
) STRICT;

CREATE INDEX segment_room ON segment (room, from_pos);

CREATE TABLE server (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE server_key (
  key_id  TEXT PRIMARY KEY,
  public  BLOB NOT NULL,
  created INTEGER NOT NULL,
  expired INTEGER                 -- NULL: in use
) STRICT, WITHOUT ROWID;

CREATE TABLE state_change (
  line  INTEGER NOT NULL,
  key   INTEGER NOT NULL,
  pos   INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (line, key, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX state_change_pos ON state_change (line, pos);

CREATE TABLE state_key (
  nid  INTEGER PRIMARY KEY AUTOINCREMENT,
  type INTEGER NOT NULL,
  skey TEXT NOT NULL,
  UNIQUE (type, skey)
) STRICT;

CREATE TABLE stream_event (
  pos   INTEGER PRIMARY KEY,
  room  INTEGER NOT NULL,
  event INTEGER NOT NULL
) STRICT;

CREATE TABLE thinning (
  room    INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  stage   INTEGER NOT NULL DEFAULT 0,  -- stages before this one are done
  cursor  INTEGER NOT NULL DEFAULT 0,  -- within the stage
  events  INTEGER NOT NULL DEFAULT 0,  -- deleted so far
  states  INTEGER NOT NULL DEFAULT 0,  -- kept without their places
  bytes   INTEGER NOT NULL DEFAULT 0   -- of the bodies deleted
) STRICT;

CREATE TABLE thread (
  root    INTEGER PRIMARY KEY,
  room    INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  count   INTEGER NOT NULL
) STRICT;

CREATE INDEX thread_room ON thread (room, segment, idx);

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

CREATE TABLE timeline (
  segment INTEGER NOT NULL,
  idx     INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  PRIMARY KEY (segment, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE to_device (
  device       INTEGER NOT NULL,
  pos          INTEGER NOT NULL,
  total        INTEGER NOT NULL,
  source       INTEGER NOT NULL,
  source_total INTEGER NOT NULL,
  sender       INTEGER NOT NULL,
  type         TEXT NOT NULL,
  content      TEXT NOT NULL,
  PRIMARY KEY (device, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX to_device_source ON to_device (device, source, pos);

CREATE TABLE to_device_out (
  server       INTEGER NOT NULL,
  pos          INTEGER NOT NULL,
  sender       INTEGER NOT NULL,
  server_total INTEGER NOT NULL,
  sender_total INTEGER NOT NULL,
  content      TEXT NOT NULL,
  PRIMARY KEY (server, pos)
) STRICT, WITHOUT ROWID;

CREATE INDEX to_device_out_pos ON to_device_out (pos, server);

CREATE INDEX to_device_out_sender ON to_device_out (sender, pos);

CREATE TABLE to_device_seen (
  server  INTEGER NOT NULL,
  message TEXT NOT NULL,
  n       INTEGER NOT NULL,
  ts      INTEGER NOT NULL,
  PRIMARY KEY (server, message)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX to_device_seen_order ON to_device_seen (server, n);

CREATE INDEX to_device_seen_ts ON to_device_seen (ts);

CREATE TABLE to_device_txn (
  device INTEGER NOT NULL,
  txn    TEXT NOT NULL,
  ts     INTEGER NOT NULL,
  PRIMARY KEY (device, txn)
) STRICT, WITHOUT ROWID;

CREATE INDEX to_device_txn_ts ON to_device_txn (ts);

CREATE TABLE uia_session (
  id         TEXT PRIMARY KEY,
  operation  TEXT NOT NULL,       -- method, path and digest of the request it was opened for
  user       INTEGER,
  completed  TEXT NOT NULL,       -- JSON array of stages
  params     TEXT NOT NULL,       -- JSON: the first request's body, and what stages remember
  expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX uia_session_expires ON uia_session (expires);

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

CREATE TABLE unsettled_room (
  room INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE user (
  nid       INTEGER PRIMARY KEY AUTOINCREMENT,
  server    INTEGER NOT NULL,
  localpart TEXT NOT NULL,
  UNIQUE (server, localpart)
) STRICT;

CREATE TABLE user_exemption (
  user INTEGER PRIMARY KEY,
  ts   INTEGER NOT NULL
) STRICT;

CREATE TABLE user_word (
  word TEXT NOT NULL,
  user INTEGER NOT NULL,
  PRIMARY KEY (word, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_word_user ON user_word (user);
