import { type FederationClient, remoteError, remotePath } from '../../federation/client.ts';
import { forbidden } from '../../protocol/errors.ts';
import { ownString } from '../../protocol/event-auth/content.ts';
import { provingKey } from '../../protocol/event-auth/third-party-invite.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import { serverOf } from '../../protocol/ids/user-id.ts';
import { isSignedBy } from '../../protocol/signing/signed-by.ts';
import type { Database } from '../../store/db.ts';
import { eventFlags } from '../../store/events/flags.ts';
import { memberships } from '../../store/events/membership.ts';
import type { IdentityServers } from '../../users/identity/identity-servers.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { Inviting } from '../remote/inviting.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { PolicyCheck } from '../send/policy-check.ts';
import type { ServerAccess } from '../server-access.ts';
import { currentState, type StateSources } from '../state/current-state.ts';
import { type Claim, draftOf } from './claim.ts';

export interface RedeemingUses extends StateSources {
  readonly db: Database;
  readonly rooms: KnownRooms;
  readonly serverAccess: ServerAccess;
  readonly localInput: LocalInput;
  readonly inviting: Inviting;
  readonly policy: PolicyCheck;
  readonly client: FederationClient;
  readonly identityServers: Pick<IdentityServers, 'isKeyValid'>;
  readonly serverName: ServerName;
}

/**
 * Turns invites of addresses into invites of users, once somebody has shown that the address is theirs. That proof is the
 * identity server's signature, which the auth rules check against the keys in the room.
 * @see https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
 */
export class Redeeming {
  readonly #uses: RedeemingUses;

  constructor(uses: RedeemingUses) {
    this.#uses = uses;
  }

  /**
   * For a user of ours: by ourselves where this server is in the room, else through the server of who invited, from which
   * the invite then comes.
   * 403 M_FORBIDDEN no such invite, no proof, kept out · 502, 504 M_UNKNOWN a server that has to help does not answer
   */
  async redeem(claim: Claim): Promise<void> {
    const { rooms, serverAccess, client, serverName } = this.#uses;
    const { roomId, sender, target } = claim;
    const room = rooms.find(roomId);
    if (room !== undefined && serverAccess.isInRoom(room.nid, serverName)) return this.inviteInto(room, claim);
    if (serverOf(sender) === serverName) throw forbidden('Who invited the address is not in the room any more');
    const { type, content } = draftOf(claim);
    const answer = await client.call({
      server: serverOf(sender),
      method: 'PUT',
      path: remotePath`/_matrix/federation/v1/exchange_third_party_invite/${roomId}`,
      content: { type, room_id: roomId, sender, state_key: target, content },
    });
    if (!answer.ok) throw remoteError(answer);
  }

  /** For anybody, where this server is in the room. Who is invited or in it already stays what they are. Errors as above. */
  async inviteInto(room: KnownRoom, claim: Claim): Promise<void> {
    const { inviting, identityServers, serverName } = this.#uses;
    const { sender, target, signed } = claim;
    // The auth rules would let the same proof put a member back to being invited, again and again.
    if (this.#isThere(room, target)) return;
    if (signed['mxid'] !== target) throw forbidden('What the identity server has signed is about another user');
    const token = ownString(signed, 'token') ?? '';
    const invitation = currentState(this.#uses, room.nid)('m.room.third_party_invite', token);
    if (invitation?.sender !== sender) throw forbidden('The room has no such invite of an address');
    const key = provingKey(signed, invitation.content, isSignedBy);
    if (key === undefined) throw forbidden('The identity server has not signed this');
    // Only who makes the invite asks: all others have to come to the same verdict without a third.
    if (!(await identityServers.isKeyValid(key))) throw forbidden('The key of the identity server was revoked');
    const displayName = ownString(invitation.content, 'display_name') ?? claim.displayName;
    const draft = draftOf({ ...claim, displayName });
    if (serverOf(target) !== serverName) await inviting.invite(room, sender, draft);
    else await this.#append(room, sender, draft);
  }

  #isThere(room: KnownRoom, userId: UserId): boolean {
    const { interning, roomState } = this.#uses;
    const user = interning.findUser(userId);
    const membership = user && roomState.member(room.nid, user)?.membership;
    return membership === memberships.join || membership === memberships.invite;
  }

  /** It needs no signature of the sender's server, which may be another; that one, too, hears of it from us. */
  async #append(room: KnownRoom, sender: UserId, draft: StateDraft): Promise<void> {
    const { db, localInput, policy, serverName } = this.#uses;
    const prepared = db.write(() => localInput.prepare(room, sender, draft));
    const signed = await policy.signed(room, prepared);
    const flags = serverOf(sender) === serverName ? 0 : eventFlags.PASSED_ON;
    await db.durable<void>(() => void localInput.commitPrepared(room, signed, flags));
  }
}
