import type { UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type {
  IdentityAccess,
  IdentityServers,
  StoredInvite,
  ThirdPartyAddress,
} from '../../users/identity/identity-servers.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { LocalPeople } from '../membership/member-rules.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { Sending } from '../send/send.ts';
import { currentState, type StateSources } from '../state/current-state.ts';

export interface AddressInvitesUses extends StateSources {
  readonly db: Database;
  readonly localInput: LocalInput;
  readonly sending: Sending;
  readonly people: LocalPeople;
  readonly identityServers: Pick<IdentityServers, 'lookup' | 'storeInvite'>;
}

export interface AddressWish {
  readonly access: IdentityAccess;
  readonly address: ThirdPartyAddress;
  readonly isDirect?: boolean;
  readonly reason?: string;
}

/**
 * Invites people of whom only an email address or telephone number is known.
 * @see https://spec.matrix.org/v1.19/client-server-api/#third-party-invites
 */
export class AddressInvites {
  readonly #uses: AddressInvitesUses;

  constructor(uses: AddressInvitesUses) {
    this.#uses = uses;
  }

  /**
   * Invites the user whose the address is; if nobody has said so, the address, for which the identity server keeps the
   * invite. Whoever may not invite gets no question asked.
   * 400 M_SERVER_NOT_TRUSTED · 403 M_FORBIDDEN by the room or the identity server, M_TERMS_NOT_SIGNED, and what an invite
   * of a user says · 502, 504 M_UNKNOWN the identity server does not answer
   */
  async invite(requester: Requester, room: KnownRoom, wish: AddressWish): Promise<void> {
    const { db, localInput, sending, identityServers } = this.#uses;
    db.write(() => {
      const draft = sending.prepareState(requester, room, inviteOf({ token: '-', displayName: '-', publicKeys: [] }));
      localInput.prepare(room, requester.userId, draft);
    });
    const user = await identityServers.lookup(wish.access, wish.address);
    if (user !== undefined) {
      await sending.setState(requester, room, { type: 'm.room.member', stateKey: user, content: inviteContent(wish) });
      return;
    }
    const about = this.#about(room, requester.userId);
    const stored = await identityServers.storeInvite(wish.access, wish.address, about);
    await sending.setState(requester, room, inviteOf(stored));
  }

  /** What the mail to the address may say. */
  #about({ nid, roomId }: KnownRoom, sender: UserId): JsonObject {
    const { displayname, avatar_url: picture } = this.#uses.people.profile(sender);
    const state = currentState(this.#uses, nid);
    const said = (type: string, key: string) => state(type, '')?.content[key];
    const all: { readonly [key: string]: JsonValue | undefined } = {
      room_alias: said('m.room.canonical_alias', 'alias'),
      room_avatar_url: said('m.room.avatar', 'url'),
      room_join_rules: said('m.room.join_rules', 'join_rule'),
      room_name: said('m.room.name', 'name'),
      room_type: said('m.room.create', 'type'),
      sender_display_name: displayname,
      sender_avatar_url: picture,
    };
    const texts = Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return { ...Object.fromEntries(texts), room_id: roomId, sender };
  }
}

function inviteContent({ isDirect = false, reason }: AddressWish): JsonObject {
  return {
    membership: 'invite',
    ...(isDirect ? { is_direct: true } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** The first key stands for all, for those who know of one only. */
function inviteOf({ token, displayName, publicKeys }: StoredInvite): StateDraft {
  const keys = publicKeys.map(({ publicKey, validityUrl }) => ({
    public_key: publicKey,
    ...(validityUrl === undefined ? {} : { key_validity_url: validityUrl }),
  }));
  const [first] = publicKeys;
  const content = {
    display_name: displayName,
    key_validity_url: first?.validityUrl ?? '',
    public_key: first?.publicKey ?? '',
    public_keys: keys,
  };
  return { type: 'm.room.third_party_invite', stateKey: token, content };
}
