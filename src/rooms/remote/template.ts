import { type BuiltEvent, completeEvent, type EventSigner } from '../../protocol/events/build.ts';
import { asEventId } from '../../protocol/ids/event-id.ts';
import type { RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { IMPLICIT_ROOM_VERSION, type RoomVersionRules, roomVersionRules } from '../../protocol/room-versions.ts';
import type { Clock } from '../../util/clock.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { type Random, randomLetters } from '../../util/random.ts';

/** A change of membership that another server has to help with. */
export type Handshake = 'join' | 'leave' | 'knock';

/** What is asked for: one of our users, one room, one membership. */
export interface Wish {
  readonly kind: Handshake;
  readonly roomId: RoomId;
  readonly userId: UserId;
  /** What the event is to say besides the membership. */
  readonly said: Readonly<JsonObject>;
}

/** The event that is to be handed in, ours with all that is in it. */
export interface SignedWish {
  readonly rules: RoomVersionRules;
  readonly event: BuiltEvent;
}

/** Why a template is not signed. */
export interface BadTemplate {
  readonly problem: string;
}

/**
 * Makes the event from another server's template. Nothing is signed that was not asked for: only the place in the room
 * (`prev_events`, `auth_events`, `depth`) and who vouches for a restricted join are taken from it, and only if all else
 * in it is what was asked for.
 */
export function signTemplate(
  answer: JsonObject,
  wish: Wish,
  server: ServerName,
  uses: { readonly signer: EventSigner; readonly clock: Clock; readonly random: Random },
): SignedWish | BadTemplate {
  const { event: template, room_version: version = IMPLICIT_ROOM_VERSION } = answer;
  const rules = typeof version === 'string' ? roomVersionRules(version) : undefined;
  if (rules === undefined) return { problem: 'the room version is not supported' };
  if (!isJsonObject(template)) return { problem: 'there is no template' };
  const problem = mismatch(template, wish, rules);
  if (problem !== undefined) return { problem };
  const voucher = voucherOf(template, wish, rules);
  if (voucher !== undefined && (!isUserId(voucher) || serverOf(voucher) !== server)) {
    return { problem: 'somebody of another server is to vouch for the join' };
  }
  try {
    return { rules, event: completeEvent(eventFor(template, wish, rules, voucher, uses), rules, uses.signer) };
  } catch (error) {
    // What we have put in fits; so it is the template that does not.
    return { problem: error instanceof Error ? error.message : 'it cannot be signed' };
  }
}

function eventFor(
  template: JsonObject,
  { userId, roomId, kind, said }: Wish,
  rules: RoomVersionRules,
  voucher: string | undefined,
  uses: { readonly signer: EventSigner; readonly clock: Clock; readonly random: Random },
): JsonObject {
  const { depth = null, prev_events: prevEvents = null, auth_events: authEvents = null } = template;
  const vouched = voucher === undefined ? {} : { join_authorised_via_users_server: voucher };
  // In later room versions the ID is the event's hash.
  const ownId =
    rules.eventIdFormat === 'v1'
      ? { event_id: asEventId(`$${randomLetters(uses.random, 18)}:${uses.signer.serverName}`) }
      : {};
  return {
    type: 'm.room.member',
    room_id: roomId,
    sender: userId,
    state_key: userId,
    content: { ...said, membership: kind, ...vouched },
    depth,
    prev_events: prevEvents,
    auth_events: authEvents,
    origin_server_ts: uses.clock.now(),
    ...ownId,
  };
}

/** What in a template is not what was asked for. */
function mismatch(template: JsonObject, { kind, roomId, userId }: Wish, rules: RoomVersionRules): string | undefined {
  const { type, room_id: room, sender, state_key: stateKey, content, prev_events: prev } = template;
  if (type !== 'm.room.member') return 'the template is no member event';
  if (room !== roomId) return 'the template is of another room';
  if (sender !== userId || stateKey !== userId) return 'the template is about another user';
  if (!isJsonObject(content) || content['membership'] !== kind) return 'the template is of another membership';
  if (!Array.isArray(prev) || prev.length === 0) return 'the template has no place in the room';
  if (kind === 'knock' && !rules.knock) return 'the room version has no knocking';
  return undefined;
}

function voucherOf({ content }: JsonObject, { kind }: Wish, rules: RoomVersionRules): string | undefined {
  const voucher =
    kind === 'join' && rules.restricted && isJsonObject(content)
      ? content['join_authorised_via_users_server']
      : undefined;
  return typeof voucher === 'string' ? voucher : undefined;
}
