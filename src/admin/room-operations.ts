import * as v from 'valibot';
import { estimateWords, excessWords } from '../governor/room-limits.ts';
import { showEstimate } from '../rooms/limits/room-limits.ts';
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

  'room/purge': operation(
    v.strictObject({ room: roomName, leave: v.optional(v.boolean(), false) }),
    async ({ roomCosts }, { room, leave }) => ({ room_id: await roomCosts.purge(room, leave) }),
  ),

  'room/exemptions': operation(v.strictObject({}), ({ roomCosts }) => roomCosts.exemptions()),
};
