import { differing, type Rule } from './queries.ts';

/** The newest entry of each key on the main line of each room. */
const mainTip =
  'SELECT room, key, event, pos FROM (' +
  'SELECT room_info.room, state_change.key, state_change.event, max(state_change.pos) AS pos' +
  ' FROM room_info JOIN state_change ON state_change.line = room_info.line' +
  ' GROUP BY room_info.room, state_change.key) WHERE event <> 0';

const counted =
  'SELECT room_info.room,' +
  ' (SELECT count(*) FROM member WHERE member.room = room_info.room AND membership = 1),' +
  ' (SELECT count(*) FROM member WHERE member.room = room_info.room AND membership = 2),' +
  ' (SELECT count(*) FROM member WHERE member.room = room_info.room AND membership = 3),' +
  ' (SELECT count(*) FROM member WHERE member.room = room_info.room AND membership = 5),' +
  ' (SELECT count(*) FROM current_state WHERE current_state.room = room_info.room),' +
  ' (SELECT count(*) FROM room_server WHERE room_server.room = room_info.room AND to_pos IS NULL) FROM room_info';

/** The state log and what is derived from the current state, except members: their names have to be read. */
export const stateRules: readonly Rule[] = [
  {
    sentence: 'Room {room}: state key {key} → event {event} since {pos} {problem} in current_state',
    exceptions: differing(mainTip, 'SELECT room, key, event, pos FROM current_state'),
  },
  {
    sentence: 'Room {room}: its main line {line} is not the newest in room_line, or not a main line without a parent',
    exceptions:
      'SELECT room, line FROM room_info WHERE line IS NOT' +
      ' (SELECT line FROM room_line WHERE room_line.room = room_info.room ORDER BY from_pos DESC LIMIT 1)' +
      ' OR NOT EXISTS (SELECT 1 FROM line WHERE line.nid = room_info.line AND line.room = room_info.room' +
      ' AND kind = 0 AND parent IS NULL)',
  },
  {
    sentence: 'Room {room}: the counts of members, states or servers ({joined} joined, {states} states) {problem}',
    exceptions: differing(
      `SELECT room, column2 AS joined, column3, column4, column5, column6 AS states, column7 FROM (${named(counted)})`,
      'SELECT room, joined, invited, knocked, banned, states, servers FROM room_info',
    ),
  },
  {
    sentence:
      'Room {room}: server {server} with {joined} joined users {problem} among the open intervals of room_server',
    exceptions: differing(
      'SELECT member.room, user.server, count(*) AS joined FROM member JOIN user ON user.nid = member.user' +
        ' WHERE member.membership = 1 GROUP BY member.room, user.server',
      // One that is there by the word of another may have nobody whom we know of.
      'SELECT room, server, joined FROM room_server WHERE to_pos IS NULL AND (joined <> 0 OR told = 0)',
    ),
  },
  {
    sentence: 'Room {room}: the intervals of server {server} in room_server overlap or are empty',
    exceptions:
      'SELECT room, server FROM (SELECT room, server, from_pos, to_pos,' +
      ' lead(from_pos) OVER (PARTITION BY room, server ORDER BY from_pos) AS next FROM room_server)' +
      ' WHERE to_pos <= from_pos OR (next IS NOT NULL AND (to_pos IS NULL OR to_pos > next))',
  },
  {
    sentence: 'Line {nid}: its parent, its depth or its room is wrong',
    exceptions:
      'SELECT line.nid FROM line LEFT JOIN line AS above ON above.nid = line.parent' +
      ' WHERE (line.parent IS NULL) <> (line.depth = 0)' +
      ' OR (line.parent IS NOT NULL AND (above.nid IS NULL OR above.room <> line.room OR above.depth <> line.depth - 1))',
  },
  {
    sentence: 'Line {line}: it has state changes but does not exist',
    exceptions: 'SELECT DISTINCT line FROM state_change WHERE line NOT IN (SELECT nid FROM line)',
  },
  {
    sentence: 'Line {line}: key {key} at {pos} is event {event}, which is no state event of the room under that key',
    exceptions:
      'SELECT state_change.line, key, state_change.pos, state_change.event FROM state_change' +
      ' JOIN line ON line.nid = state_change.line LEFT JOIN event ON event.nid = state_change.event' +
      ' WHERE state_change.event <> 0 AND (event.nid IS NULL OR event.state_key IS NOT key OR event.room <> line.room)',
  },
  {
    sentence: 'Event {nid}: the state before or after it is on line {line}, which its room does not have',
    exceptions:
      'SELECT event.nid, event.line FROM event LEFT JOIN line ON line.nid = event.line' +
      ' WHERE event.line IS NOT NULL AND line.room IS NOT event.room' +
      ' UNION ALL SELECT event.nid, event_after.line FROM event_after JOIN event ON event.nid = event_after.event' +
      ' LEFT JOIN line ON line.nid = event_after.line WHERE line.room IS NOT event.room' +
      ' UNION ALL SELECT 0, merged_point.line FROM merged_point LEFT JOIN line ON line.nid = merged_point.line' +
      ' WHERE line.room IS NOT merged_point.room',
  },
];

/** Gives the columns of a SELECT the names column2, column3, … */
function named(select: string): string {
  return `WITH counts(room, column2, column3, column4, column5, column6, column7) AS (${select}) SELECT * FROM counts`;
}
