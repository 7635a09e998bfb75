import type { Rule } from './queries.ts';

const kept =
  'SELECT count(*) FROM push_action AS a' +
  ' WHERE a.user = unread.user AND a.room = unread.room AND a.thread = unread.thread';

/** What is kept one by one is counted (of much that is unread more is counted than kept), and pushers belong to somebody. */
export const pushRules: readonly Rule[] = [
  {
    sentence: 'User {user} has {notify} unread events in room {room}, thread {thread}, but {found} of them are kept.',
    exceptions: `SELECT user, room, thread, notify, (${kept}) AS found FROM unread WHERE notify < (${kept})`,
  },
  {
    sentence: 'User {user} has {highlight} highlights in room {room}, thread {thread}, but more of them are kept.',
    exceptions:
      'SELECT user, room, thread, highlight FROM unread' +
      ` WHERE highlight < (${kept} AND a.highlight = 1) OR highlight > notify`,
  },
  {
    sentence: 'What notified user {user} at position {pos} in room {room} is not counted.',
    exceptions:
      'SELECT a.user, a.pos, a.room FROM push_action AS a LEFT JOIN unread AS u' +
      ' ON u.user = a.user AND u.room = a.room AND u.thread = a.thread WHERE u.user IS NULL',
  },
  {
    sentence: 'Pusher {nid} is of device {device}, which its user does not have.',
    exceptions:
      'SELECT pusher.nid, pusher.device FROM pusher LEFT JOIN device' +
      ' ON device.nid = pusher.device AND device.user = pusher.user WHERE device.nid IS NULL',
  },
];
