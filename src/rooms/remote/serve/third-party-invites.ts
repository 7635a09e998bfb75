import { type FederationClient, remotePath } from '../../../federation/client.ts';
import { badJson, forbidden, invalidParam } from '../../../protocol/errors.ts';
import { ownObject, ownString } from '../../../protocol/event-auth/content.ts';
import { parseRoomId } from '../../../protocol/ids/room-id.ts';
import type { RoomId, ServerName, UserId } from '../../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import type { Database } from '../../../store/db.ts';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';
import type { Log } from '../../../util/log.ts';
import type { StateDraft } from '../../draft.ts';
import type { LocalInput } from '../../local-input.ts';
import type { LocalPeople } from '../../member-rules.ts';
import type { Inviting } from '../inviting.ts';
import type { AskedRooms } from './asked-rooms.ts';

export interface ThirdPartyInvitesUses {
  readonly db: Database;
  readonly localInput: LocalInput;
  readonly inviting: Inviting;
  readonly client: FederationClient;
  readonly asked: AskedRooms;
  readonly people: LocalPeople;
  readonly serverName: ServerName;
  readonly log: Log;
}

/** Invites that an address can have waited for; more of them in one request are somebody's game. */
const maxInvites = 20;

/** An invite of an email address or telephone number that turned out to be a user. */
interface Claim {
  readonly roomId: RoomId;
  /** Who invited the address. */
  readonly sender: UserId;
  /** Whose it is. */
  readonly target: UserId;
  readonly content: JsonObject;
}

/**
 * Turns invites of email addresses into invites of users, once somebody has shown that the address is theirs. That
 * proof is the identity server's signature, which the auth rules check against the keys in the room.
 * @see https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
 */
export class ThirdPartyInvites {
  readonly #uses: ThirdPartyInvitesUses;

  constructor(uses: ThirdPartyInvitesUses) {
    this.#uses = uses;
  }

  /**
   * The server of the user whose address was invited asks for the invite, which one of our users has promised.
   * 400 M_INVALID_PARAM, M_BAD_JSON · 403 M_FORBIDDEN no such promise, no proof, kept out · 404 M_NOT_FOUND
   */
  async exchange(origin: ServerName, roomId: string, event: JsonObject): Promise<void> {
    const { asked, inviting, serverName } = this.#uses;
    const room = asked.forHandshake(origin, roomId);
    const claim = claimOf(event);
    if (claim.roomId !== room.roomId) throw invalidParam('The event is of another room');
    if (serverOf(claim.sender) !== serverName) throw forbidden('The sender is no user of this server');
    if (serverOf(claim.target) !== origin) throw forbidden('The invited user is no user of your server');
    await inviting.invite(room, claim.sender, draftOf(claim));
  }

  /**
   * An identity server tells that an address is now one of our users'. Anybody may say so: what is not proved does not
   * get past the auth rules, here or at the server of who invited. One invite that fails does not keep the others.
   * 400 M_BAD_JSON, M_INVALID_PARAM · 403 M_FORBIDDEN no user of ours
   */
  async bound(body: JsonObject): Promise<void> {
    const { people, serverName, log } = this.#uses;
    const mxid = parseUserId(ownString(body, 'mxid') ?? '');
    const invites = body['invites'];
    if (mxid === undefined || !Array.isArray(invites)) throw badJson('mxid and invites are needed');
    if (serverOf(mxid) !== serverName || !people.exists(mxid)) throw forbidden('This is no user of this server');
    if (invites.length > maxInvites) throw invalidParam(`At most ${maxInvites} invites are taken at a time`);
    for (const invite of invites) {
      const claim = isJsonObject(invite) ? boundClaim(invite, mxid) : undefined;
      if (claim === undefined) continue;
      try {
        await this.#redeem(claim);
      } catch (error) {
        log.info('rooms.third_party_invite', { roomId: claim.roomId, cause: error });
      }
    }
  }

  /** Where who invited is ours too, by ourselves; else it is for the server of who invited. */
  async #redeem(claim: Claim): Promise<void> {
    const { asked, client, db, localInput, people, serverName } = this.#uses;
    if (people.blocksInvites(claim.target)) return;
    const { roomId, sender, target, content } = claim;
    const room = asked.findOurs(roomId);
    if (serverOf(sender) === serverName) {
      if (room !== undefined) await db.durable<void>(() => void localInput.append(room, sender, draftOf(claim)));
      return;
    }
    const answer = await client.call({
      server: serverOf(sender),
      method: 'PUT',
      path: remotePath`/_matrix/federation/v1/exchange_third_party_invite/${roomId}`,
      content: { type: 'm.room.member', room_id: roomId, sender, state_key: target, content },
    });
    if (!answer.ok) this.#uses.log.info('rooms.third_party_invite', { roomId, detail: answer.detail });
  }
}

const draftOf = ({ target, content }: Claim): StateDraft => ({ type: 'm.room.member', stateKey: target, content });

/** A partial member event. 400 M_INVALID_PARAM */
function claimOf(event: JsonObject): Claim {
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
  return { roomId, sender, target, content: contentOf(signed, ownString(invite, 'display_name')) };
}

/** An entry of `invites`; `undefined` for one that nothing can be made of. */
function boundClaim(invite: JsonObject, target: UserId): Claim | undefined {
  const roomId = parseRoomId(ownString(invite, 'room_id') ?? '');
  const sender = parseUserId(ownString(invite, 'sender') ?? '');
  const signed = ownObject(invite, 'signed');
  if (roomId === undefined || sender === undefined || signed?.['mxid'] !== target) return undefined;
  return { roomId, sender, target, content: contentOf(signed, ownString(invite, 'display_name')) };
}

/** Only what an invite needs: the rest of what came would be said in the name of who invited. */
function contentOf(signed: JsonObject, name: string | undefined): JsonObject {
  return { membership: 'invite', third_party_invite: { display_name: name ?? '', signed } };
}
