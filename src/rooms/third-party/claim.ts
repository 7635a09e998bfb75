import { badJson, forbidden, invalidParam } from '../../protocol/errors.ts';
import { ownObject, ownString } from '../../protocol/event-auth/content.ts';
import { parseRoomId } from '../../protocol/ids/room-id.ts';
import type { RoomId, UserId } from '../../protocol/ids/types.ts';
import { parseUserId } from '../../protocol/ids/user-id.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { StateDraft } from '../send/draft.ts';

/** An invite of an email address or telephone number, and what shows that it is a user's. */
export interface Claim {
  readonly roomId: RoomId;
  /** Who invited the address. */
  readonly sender: UserId;
  /** Whose it is. */
  readonly target: UserId;
  /** What the identity server has signed: `mxid`, `token` and more. */
  readonly signed: JsonObject;
  /** Shown for the address; what the room's own invite of it says counts more. */
  readonly displayName: string;
}

/** The invite of the user. Only what it needs: the rest of what came would be said in the name of who invited. */
export function draftOf({ target, signed, displayName }: Claim): StateDraft {
  const content = { membership: 'invite', third_party_invite: { display_name: displayName, signed } };
  return { type: 'm.room.member', stateKey: target, content };
}

/** Of a partial member event. 400 M_INVALID_PARAM */
export function claimInEvent(event: JsonObject): Claim {
  const roomId = parseRoomId(ownString(event, 'room_id') ?? '');
  const sender = parseUserId(ownString(event, 'sender') ?? '');
  const target = parseUserId(ownString(event, 'state_key') ?? '');
  const content = ownObject(event, 'content');
  if (event['type'] !== 'm.room.member' || content?.['membership'] !== 'invite') {
    throw invalidParam('The event is no invite');
  }
  if (roomId === undefined || sender === undefined || target === undefined) {
    throw invalidParam('room_id, sender and state_key are needed');
  }
  const invite = ownObject(content, 'third_party_invite');
  const signed = invite && ownObject(invite, 'signed');
  if (invite === undefined || signed === undefined) throw invalidParam('third_party_invite lacks what was signed');
  return { roomId, sender, target, signed, displayName: ownString(invite, 'display_name') ?? '' };
}

/** Of an entry in the `invites` of an identity server; `undefined` for one that nothing can be made of. */
export function claimInInvite(invite: JsonObject, target: UserId): Claim | undefined {
  const roomId = parseRoomId(ownString(invite, 'room_id') ?? '');
  const sender = parseUserId(ownString(invite, 'sender') ?? '');
  const signed = ownObject(invite, 'signed');
  if (roomId === undefined || sender === undefined || signed?.['mxid'] !== target) return undefined;
  return { roomId, sender, target, signed, displayName: ownString(invite, 'display_name') ?? '' };
}

/** Of `third_party_signed` in a request to join. 400 M_BAD_JSON · 403 M_FORBIDDEN it was signed for somebody else */
export function claimInJoin(signed: JsonObject, roomId: RoomId, target: UserId): Claim {
  const sender = parseUserId(ownString(signed, 'sender') ?? '');
  const { mxid, token, signatures } = signed;
  if (sender === undefined || typeof mxid !== 'string' || typeof token !== 'string' || !isJsonObject(signatures)) {
    throw badJson('third_party_signed needs sender, mxid, token and signatures');
  }
  if (mxid !== target) throw forbidden('What the identity server has signed is about another user');
  return { roomId, sender, target, signed, displayName: '' };
}
