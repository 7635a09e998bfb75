import type { Rule } from './queries.ts';

/** Rejected or soft-failed, see `eventFlags`: nobody is shown it, and nothing follows from it. */
const outOf = (column: string) => `EXISTS (SELECT 1 FROM event WHERE event.nid = ${column} AND (event.flags & 3) <> 0)`;

/** An invite that came before the room was known has notified at a position that is only its own, whatever becomes of it. */
const isInvite = 'EXISTS (SELECT 1 FROM event WHERE event.nid = said.event AND event.membership = 2)';

const notAt = (table: string) =>
  `SELECT said.user, said.event, said.pos FROM ${table} AS said WHERE NOT EXISTS` +
  ` (SELECT 1 FROM event WHERE event.nid = said.event AND event.pos = said.pos) AND NOT ${isInvite}`;

/** Fewer are kept than is allowed, so that every one that is counted has to be among them. */
const fewKept = 800;

/** What was made of an event goes when it is taken out of its room. */
export const traceRules: readonly Rule[] = [
  {
    sentence: 'User {user} is notified of event {event} at position {pos}, where it is not',
    exceptions: `${notAt('push_action')} UNION ALL ${notAt('push_read')}`,
  },
  {
    sentence: 'User {user} has {notify} unread events in room {room}, thread {thread}, but only {found} are kept',
    exceptions:
      'SELECT user, room, thread, notify, (SELECT count(*) FROM push_action AS a WHERE a.user = unread.user' +
      ' AND a.room = unread.room AND a.thread = unread.thread) AS found FROM unread WHERE notify > found AND' +
      ' (SELECT count(*) FROM push_action AS a WHERE a.user = unread.user AND a.room = unread.room)' +
      ` < ${fewKept}`,
  },
  {
    sentence: 'Event {nid} can be found by its words, but is not in a room or says nothing any more',
    exceptions:
      'SELECT message_text.rowid AS nid FROM message_text LEFT JOIN event ON event.nid = message_text.rowid' +
      ' WHERE event.segment IS NULL OR (event.flags & 8) <> 0',
  },
  {
    sentence: 'Event {target} was redacted by event {redaction}, which is not in its room',
    exceptions: `SELECT target, redaction FROM redaction WHERE ${outOf('redaction.redaction')}`,
  },
  {
    sentence: 'Event {redaction} waits to redact event {target}, but is not in its room',
    exceptions: `SELECT target, redaction FROM pending_redaction WHERE ${outOf('pending_redaction.redaction')}`,
  },
  {
    sentence: 'What event {target} said before it was redacted is kept without a need',
    exceptions:
      'SELECT target FROM redacted_original WHERE NOT EXISTS' +
      ' (SELECT 1 FROM room_partial WHERE room_partial.room = redacted_original.room) OR NOT EXISTS' +
      ' (SELECT 1 FROM redaction WHERE redaction.target = redacted_original.target)',
  },
  {
    sentence: 'User {user} has a receipt at event {event}, which is not in room {room}',
    exceptions: `SELECT user, event, room FROM receipt WHERE ${outOf('receipt.event')}`,
  },
  {
    sentence: 'Other servers are to be told of event {event}, which is not in room {room}',
    exceptions:
      `SELECT event, room FROM outgoing WHERE ${outOf('outgoing.event')}` +
      ` UNION ALL SELECT event, room FROM outgoing_room WHERE ${outOf('outgoing_room.event')}` +
      ` UNION ALL SELECT event, 0 AS room FROM addressed_event WHERE ${outOf('addressed_event.event')}`,
  },
  {
    sentence: 'Event {event} is in the current state of room {room}, but not in the room',
    exceptions:
      `SELECT event, room FROM current_state WHERE ${outOf('current_state.event')} AND NOT EXISTS` +
      ' (SELECT 1 FROM event WHERE event.nid = current_state.event AND (event.flags & 3) = 2) AND NOT EXISTS' +
      ' (SELECT 1 FROM room_partial WHERE room_partial.room = current_state.room) AND NOT EXISTS' +
      ' (SELECT 1 FROM unsettled_room WHERE unsettled_room.room = current_state.room)',
  },
];
