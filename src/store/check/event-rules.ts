import { differing, type Rule } from './queries.ts';

/** Rejected, soft-failed, outlier: see `eventFlags`. */
const accepted = '(event.flags & 7) = 0';

/** Event rows, bodies, edges, extremities and both orders. */
export const eventRules: readonly Rule[] = [
  {
    sentence: 'Event {nid}: it has {bodies} bodies instead of one',
    exceptions:
      'SELECT event.nid, (event_raw.nid IS NOT NULL) + (event_body.nid IS NOT NULL) AS bodies FROM event' +
      ' LEFT JOIN event_raw ON event_raw.nid = event.nid LEFT JOIN event_body ON event_body.nid = event.nid' +
      ' WHERE bodies <> 1',
  },
  {
    sentence: 'Body {nid}: its event is not there',
    exceptions:
      'SELECT nid FROM event_raw WHERE nid NOT IN (SELECT nid FROM event)' +
      ' UNION ALL SELECT nid FROM event_body WHERE nid NOT IN (SELECT nid FROM event)',
  },
  {
    sentence: 'Event {nid}: its ID, room, type, sender or state key is not interned',
    exceptions:
      'SELECT event.nid FROM event LEFT JOIN event_id ON event_id.nid = event.nid LEFT JOIN room ON room.nid = event.room' +
      ' LEFT JOIN event_type ON event_type.nid = event.type LEFT JOIN user ON user.nid = event.sender' +
      ' LEFT JOIN state_key ON state_key.nid = event.state_key' +
      ' WHERE event_id.nid IS NULL OR room.nid IS NULL OR event_type.nid IS NULL OR user.nid IS NULL' +
      ' OR (event.state_key IS NOT NULL AND state_key.type IS NOT event.type)',
  },
  {
    sentence: 'Event {event} at {pos} of room {room} {problem} in the stream',
    exceptions: differing(
      'SELECT pos, room, nid AS event FROM event WHERE pos IS NOT NULL',
      'SELECT pos, room, event FROM stream_event',
    ),
  },
  {
    sentence: 'Event {event} at {segment}/{idx} {problem} in the timeline',
    exceptions: differing(
      'SELECT segment, idx, nid AS event FROM event WHERE segment IS NOT NULL',
      'SELECT segment, idx, event FROM timeline',
    ),
  },
  {
    sentence: 'Event {nid}: its flags ({flags}) and its places in stream and timeline contradict each other',
    exceptions:
      `SELECT nid, flags FROM event WHERE (segment IS NULL) <> (idx IS NULL)` +
      ` OR (pos IS NOT NULL AND NOT ${accepted}) OR (segment IS NOT NULL AND NOT ${accepted})` +
      ' OR (pos IS NOT NULL AND (flags & 16) <> 0) OR (pos IS NOT NULL AND segment IS NOT NULL AND idx <> pos)',
  },
  {
    sentence: 'Event {nid}: it is outside of its segment, or in that of another room',
    exceptions:
      'SELECT event.nid FROM event LEFT JOIN segment ON segment.nid = event.segment WHERE event.segment IS NOT NULL AND' +
      ' (segment.room IS NOT event.room OR (event.pos IS NULL) <> (event.idx < segment.from_pos))',
  },
  {
    sentence: 'Room {room}: its newest segment or the position of its newest event is wrong',
    exceptions:
      'SELECT room FROM room_info WHERE segment IS NOT' +
      ' (SELECT nid FROM segment WHERE segment.room = room_info.room ORDER BY from_pos DESC, nid DESC LIMIT 1)' +
      ' OR last_pos < (SELECT max(pos) FROM stream_event WHERE stream_event.room = room_info.room)',
  },
  {
    sentence: 'Room {room}: event {event} {problem} among the forward extremities',
    exceptions: differing(
      `SELECT event.room, event.nid AS event FROM event JOIN room_info ON room_info.room = event.room` +
        ` WHERE event.pos IS NOT NULL AND ${accepted} AND event.pos >= (SELECT max(from_pos) FROM room_line` +
        ' WHERE room_line.room = event.room) AND event.nid NOT IN (SELECT event_edge.parent FROM event_edge' +
        ` JOIN event ON event.nid = event_edge.child WHERE event.pos IS NOT NULL AND ${accepted})` +
        // Those that cited it may have been deleted.
        ' AND event.nid NOT IN (SELECT event FROM cited_event)',
      'SELECT room, event FROM forward_extremity',
    ),
  },
  {
    // Between the two there may be events that cannot be shown.
    sentence: 'Room {room}: event {parent} before event {child} is not missing, or that is not in the room',
    exceptions:
      'SELECT room, parent, child FROM backward_extremity WHERE EXISTS' +
      ' (SELECT 1 FROM event WHERE event.nid = backward_extremity.parent AND (event.flags & 4) = 0) OR NOT EXISTS' +
      ' (SELECT 1 FROM event WHERE event.nid = backward_extremity.child AND event.room = backward_extremity.room)',
  },
  {
    sentence:
      'Segment {segment}: key {key} is followed at {idx} as event {event}, which is no state event under that key',
    exceptions:
      'SELECT segment, key, idx, event FROM history_state WHERE event <> 0 AND NOT EXISTS' +
      ' (SELECT 1 FROM event WHERE event.nid = history_state.event AND event.state_key = history_state.key)',
  },
  {
    sentence: 'Segment {nid}: it goes on in segment {older}, which is not before it in the same room',
    exceptions:
      'SELECT segment.nid, segment.older FROM segment LEFT JOIN segment AS before ON before.nid = segment.older' +
      ' WHERE segment.older IS NOT NULL AND' +
      ' (before.room IS NOT segment.room OR before.from_pos > segment.from_pos OR before.nid = segment.nid)',
  },
  {
    sentence: 'Event {child}: it has an edge to event {parent} but is not there',
    exceptions: 'SELECT child, parent FROM event_edge WHERE child NOT IN (SELECT nid FROM event)',
  },
  {
    sentence: 'Event {target}: redaction {redaction} was applied to it, but it is not marked as redacted',
    exceptions:
      'SELECT target, redaction FROM redaction LEFT JOIN event ON event.nid = redaction.target' +
      ' WHERE event.nid IS NULL OR (event.flags & 8) = 0',
  },
];

/** The auth graph, except for its edges: they are bytes. */
export const authRules: readonly Rule[] = [
  {
    sentence:
      'Event {nid}: it is a state event with a known place in the room and not rejected, but not in the auth graph',
    exceptions:
      'SELECT event.nid FROM event LEFT JOIN auth_node ON auth_node.event = event.nid' +
      ' WHERE event.state_key IS NOT NULL AND event.line IS NOT NULL AND (event.flags & 1) = 0 AND auth_node.event IS NULL',
  },
  {
    sentence: 'Event {event}: its predecessor in auth chain {chain} is missing or of another key',
    exceptions:
      'SELECT auth_node.event, auth_node.chain FROM auth_node JOIN event ON event.nid = auth_node.event' +
      ' LEFT JOIN auth_node AS before ON before.chain = auth_node.chain AND before.seq = auth_node.seq - 1' +
      ' LEFT JOIN event AS earlier ON earlier.nid = before.event' +
      ' WHERE auth_node.seq > 0 AND earlier.state_key IS NOT event.state_key',
  },
];
