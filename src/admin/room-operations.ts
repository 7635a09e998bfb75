import * as v from 'valibot';
import { estimateWords, excessWords } from '../governor/room-limits.ts';
import { type LedgerEntry, shareWords } from '../rooms/ledger/ledger.ts';
import { showEstimate } from '../rooms/limits/room-limits.ts';
import type { FillingReport } from '../rooms/partial/filling.ts';
import { millis } from '../util/brand.ts';
import { AdminError } from './admin-error.ts';
import { operation } from './operation.ts';
import { checkVia } from './room-costs.ts';
import { userIdOf } from './user-names.ts';

const roomName = v.pipe(v.string(), v.maxLength(1024));

/** Operations about what rooms cost. */
export const roomOperations = {
  'room/estimate': operation(
    v.strictObject({ room: roomName, via: v.optional(v.pipe(v.array(v.string()), v.maxLength(20)), []) }),
    async ({ roomCosts }, { room, via }) => {
      const { roomId, estimate, excesses } = await roomCosts.estimate(room, checkVia(via));
      if (estimate === undefined) {
        throw new AdminError(
          'not_found',
          `no server tells how large ${roomId} is; --via names one that is in the room`,
        );
      }
      return {
        room_id: roomId,
        estimate: showEstimate(estimate),
        words: estimateWords(estimate),
        above: excesses.map((excess) => ({ ...excess, words: excessWords(excess) })),
      };
    },
  ),

  'room/exempt': operation(
    v.strictObject({ room: roomName, exempt: v.optional(v.boolean(), true) }),
    async ({ roomCosts }, { room, exempt }) => ({ room_id: await roomCosts.exemptRoom(room, exempt), exempt }),
  ),

  'room/exempt-user': operation(
    v.strictObject({ user: v.string(), exempt: v.optional(v.boolean(), true) }),
    ({ roomCosts, accounts, serverName }, { user, exempt }) => {
      const userId = userIdOf(user, serverName);
      if (accounts.find(userId) === undefined) throw new AdminError('not_found', `there is no user "${user}"`);
      roomCosts.exemptUser(userId, exempt);
      return { user_id: userId, exempt };
    },
  ),

  'room/ledger': operation(
    v.strictObject({ limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200)), 20) }),
    async ({ roomCosts }, { limit }) => {
      const { file, free, rooms, others, shared } = await roomCosts.ledger();
      return {
        file_bytes: file,
        free_bytes: free,
        rooms: rooms.slice(0, limit).map(showEntry),
        other_rooms: rooms
          .slice(limit)
          .reduce((sum, { bytes }) => ({ rooms: sum.rooms + 1, bytes: sum.bytes + bytes }), others),
        shared_bytes: shared,
        words: shareWords(rooms) ?? null,
      };
    },
  ),

  'room/purge': operation(
    v.strictObject({ room: roomName, leave: v.optional(v.boolean(), false) }),
    async ({ roomCosts }, { room, leave }) => ({ room_id: await roomCosts.purge(room, leave) }),
  ),

  'room/thin': operation(
    v.strictObject({ room: roomName, older_than_ms: v.pipe(v.number(), v.integer(), v.minValue(0)) }),
    async ({ roomCosts }, { room, older_than_ms }) => {
      const { roomId, events, states, bytes } = await roomCosts.thin(room, millis(older_than_ms));
      return { room_id: roomId, messages: events, state_events: states, bytes };
    },
  ),

  'room/filling': operation(v.strictObject({}), ({ roomCosts }) => ({ rooms: roomCosts.filling().map(showFilling) })),

  'room/fill': operation(v.strictObject({ room: roomName }), async ({ roomCosts }, { room }) => ({
    room_id: await roomCosts.fill(room),
  })),

  'room/exemptions': operation(v.strictObject({}), ({ roomCosts }) => roomCosts.exemptions()),
};

function showEntry(entry: LedgerEntry) {
  return {
    room_id: entry.roomId,
    bytes: entry.bytes,
    share_percent: entry.share,
    groups: entry.groups,
    members: entry.members,
    servers: entry.servers,
    events_per_day: entry.eventsPerDay,
    cpu_seconds_per_day: entry.cpuPerDay,
    deliveries_per_day: entry.deliveriesPerDay,
    resolutions_per_day: entry.resolutionsPerDay,
    above: entry.above.map((excess) => ({ ...excess, words: excessWords(excess) })),
  };
}

function showFilling(room: FillingReport) {
  const { roomId, since, events, members, tries, nextTry, isRunning, givesUp, problem } = room;
  return {
    room_id: roomId,
    since: new Date(since).toISOString(),
    events,
    members,
    tries,
    state: isRunning ? ('running' as const) : givesUp ? ('given up' as const) : ('waiting' as const),
    next_try: isRunning ? null : new Date(nextTry).toISOString(),
    problem: problem ?? null,
  };
}
