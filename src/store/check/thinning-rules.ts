import { differing, type Rule } from './queries.ts';

/** Where the history of each room begins, with the first position of the segment that it is in. */
const floors =
  'SELECT history_floor.room, history_floor.segment, history_floor.idx, segment.from_pos FROM history_floor' +
  ' JOIN segment ON segment.nid = history_floor.segment';

/** What is left of rooms whose old history has been deleted. */
export const thinningRules: readonly Rule[] = [
  {
    sentence: 'Room {room}: its history begins in segment {segment}, which it does not have, or has older ones',
    exceptions:
      'SELECT room, segment FROM history_floor WHERE NOT EXISTS' +
      ' (SELECT 1 FROM segment WHERE segment.nid = history_floor.segment AND segment.room = history_floor.room' +
      '  AND segment.older IS NULL)' +
      ' OR EXISTS (SELECT 1 FROM segment WHERE segment.room = history_floor.room AND segment.nid < history_floor.segment)',
  },
  {
    sentence: 'Event {nid} is at {segment}/{idx}, below where the history of its room begins',
    exceptions:
      'SELECT event.nid, event.segment, event.idx FROM event JOIN history_floor AS floor ON floor.room = event.room' +
      ' WHERE event.segment IS NOT NULL AND (event.segment, event.idx) <= (floor.segment, floor.idx)',
  },
  {
    sentence: 'Event {nid} came at {pos} and has no place, though the history of its room goes back that far',
    exceptions:
      `SELECT event.nid, event.pos FROM event LEFT JOIN (${floors}) AS floor ON floor.room = event.room` +
      ' WHERE event.pos IS NOT NULL AND event.segment IS NULL' +
      ' AND (floor.room IS NULL OR (event.pos > floor.idx AND event.pos >= floor.from_pos))',
  },
  {
    sentence: 'Room {room}: message {event} {problem} among those that are kept without their places',
    exceptions: differing(
      'SELECT room, nid AS event FROM event WHERE pos IS NOT NULL AND segment IS NULL AND state_key IS NULL',
      'SELECT kept_message.room, kept_message.event FROM kept_message' +
        ' LEFT JOIN event ON event.nid = kept_message.event AND event.room = kept_message.room' +
        ' WHERE event.nid IS NULL OR event.pos IS NOT NULL OR event.segment IS NOT NULL OR event.state_key IS NOT NULL',
    ),
  },
  {
    sentence:
      'Room {room}: event {event} counts as cited by what was deleted, but is of another room, or ends this one',
    exceptions:
      'SELECT cited_event.room, cited_event.event FROM cited_event LEFT JOIN event ON event.nid = cited_event.event' +
      ' WHERE event.room <> cited_event.room OR cited_event.event IN (SELECT event FROM forward_extremity)',
  },
  {
    sentence: 'Event {target} is redacted by event {redaction}, which is not there',
    exceptions:
      'SELECT target, redaction FROM redaction WHERE NOT EXISTS' +
      ' (SELECT 1 FROM event WHERE event.nid = redaction.redaction)',
  },
  {
    sentence: 'Redaction {redaction} waits for event {target}, but is not there',
    exceptions:
      'SELECT target, redaction FROM pending_redaction WHERE NOT EXISTS' +
      ' (SELECT 1 FROM event WHERE event.nid = pending_redaction.redaction)',
  },
];
