import { badJson, forbidden, invalidParam } from '../../../protocol/errors.ts';
import { ownString } from '../../../protocol/event-auth/content.ts';
import type { ServerName } from '../../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';
import type { Log } from '../../../util/log.ts';
import type { LocalPeople } from '../../membership/member-rules.ts';
import { claimInEvent, claimInInvite } from '../../third-party/claim.ts';
import type { Redeeming } from '../../third-party/redeeming.ts';
import type { AskedRooms } from './asked-rooms.ts';

export interface ThirdPartyInvitesUses {
  readonly redeeming: Redeeming;
  readonly asked: AskedRooms;
  readonly people: LocalPeople;
  readonly serverName: ServerName;
  readonly log: Log;
}

/** Invites that an address can have waited for; more of them in one request are somebody's game. */
const maxInvites = 20;

/**
 * What identity servers and other servers tell of invites of addresses that turned out to be users'.
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
   * · 502, 504 M_UNKNOWN nobody says whether the proof's key is still valid
   */
  async exchange(origin: ServerName, roomId: string, event: JsonObject): Promise<void> {
    const { asked, redeeming, serverName } = this.#uses;
    const room = asked.forHandshake(origin, roomId);
    const claim = claimInEvent(event);
    if (claim.roomId !== room.roomId) throw invalidParam('The event is of another room');
    if (serverOf(claim.sender) !== serverName) throw forbidden('The sender is no user of this server');
    if (serverOf(claim.target) !== origin) throw forbidden('The invited user is no user of your server');
    await redeeming.inviteInto(room, claim);
  }

  /**
   * An identity server tells that an address is now one of our users'. Anybody may say so: what is not proved does not
   * get past the auth rules, here or at the server of who invited. One invite that fails does not keep the others.
   * 400 M_BAD_JSON, M_INVALID_PARAM · 403 M_FORBIDDEN no user of ours
   */
  async bound(body: JsonObject): Promise<void> {
    const { people, serverName, log, redeeming } = this.#uses;
    const mxid = parseUserId(ownString(body, 'mxid') ?? '');
    const invites = body['invites'];
    if (mxid === undefined || !Array.isArray(invites)) throw badJson('mxid and invites are needed');
    if (serverOf(mxid) !== serverName || !people.exists(mxid)) throw forbidden('This is no user of this server');
    if (invites.length > maxInvites) throw invalidParam(`At most ${maxInvites} invites are taken at a time`);
    if (people.blocksInvites(mxid)) return;
    for (const invite of invites) {
      const claim = isJsonObject(invite) ? claimInInvite(invite, mxid) : undefined;
      if (claim === undefined) continue;
      try {
        await redeeming.redeem(claim);
      } catch (error) {
        log.info('rooms.third_party_invite', { roomId: claim.roomId, cause: error });
      }
    }
  }
}
