import { differing, type Rule } from './queries.ts';

const threads =
  'SELECT root, room, count, segment, idx FROM (SELECT relation.target AS root, count(*) AS count,' +
  ' (SELECT event.room FROM event WHERE event.nid = relation.event) AS room FROM relation' +
  " JOIN event_type ON event_type.nid = relation.rel AND event_type.name = 'm.thread' GROUP BY relation.target)" +
  ' JOIN (SELECT target, segment, idx, row_number() OVER (PARTITION BY target ORDER BY segment DESC, idx DESC) AS place' +
  "  FROM relation JOIN event_type ON event_type.nid = relation.rel AND event_type.name = 'm.thread')" +
  ' ON target = root AND place = 1';

/** Relations and the threads that follow from them. */
export const relationRules: readonly Rule[] = [
  {
    sentence: 'Thread {root}: its newest event at {segment}.{idx} and its count of {count} {problem} in thread',
    exceptions: differing(threads, 'SELECT root, room, count, segment, idx FROM thread'),
  },
  {
    sentence: 'Event {event} relates to event {target}, but is redacted, elsewhere in the order, or of another room',
    exceptions:
      'SELECT relation.event, relation.target FROM relation' +
      ' LEFT JOIN event ON event.nid = relation.event LEFT JOIN event AS target ON target.nid = relation.target' +
      ' WHERE event.nid IS NULL OR event.flags & 8 <> 0 OR event.segment IS NOT relation.segment' +
      ' OR event.idx IS NOT relation.idx OR event.sender <> relation.sender OR event.type <> relation.type' +
      ' OR target.room <> event.room',
  },
];
