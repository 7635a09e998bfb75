import { forbidden } from '../protocol/errors.ts';
import type { AuthEvent } from '../protocol/event-auth/types.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { ServerAcl } from '../protocol/server-acl.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, RoomNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { AuthEvents } from './input/auth-events.ts';

export interface ServerAccessUses {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
}

/** Which other servers a room lets take part: by its ACL, and by having somebody in it. */
export class ServerAccess {
  readonly #uses: ServerAccessUses;
  /** Lists of thousands of names are read once; what `AuthEvents` forgets goes here too. */
  readonly #acls = new WeakMap<AuthEvent<EventNid>, ServerAcl>();

  constructor(uses: ServerAccessUses) {
    this.#uses = uses;
  }

  /**
   * Whether the room's current `m.room.server_acl` lets a server take part; a room without one lets all.
   * @see https://spec.matrix.org/v1.19/server-server-api/#server-access-control-lists-acls
   */
  aclAllows(room: RoomNid, server: ServerName): boolean {
    const nid = this.#uses.roomState.current(room, wellKnown.stateKeys.serverAcl);
    return nid === undefined || this.#acl(nid).allows(server);
  }

  /** 403 M_FORBIDDEN where the room's ACL keeps the server out. */
  requireAcl(room: RoomNid, server: ServerName): void {
    if (!this.aclAllows(room, server)) throw forbidden('Your server is not allowed in this room');
  }

  /** Whether a user of the server is joined. */
  isInRoom(room: RoomNid, server: ServerName): boolean {
    const nid = this.#uses.interning.findServer(server);
    return nid !== undefined && this.#uses.roomState.servers.joined(room, nid) > 0;
  }

  /** 403 M_FORBIDDEN where no user of the server is joined. */
  requireInRoom(room: RoomNid, server: ServerName): void {
    if (!this.isInRoom(room, server)) throw forbidden('Your server is not in this room');
  }

  #acl(nid: EventNid): ServerAcl {
    const event = this.#uses.authEvents.get(nid);
    const known = this.#acls.get(event);
    if (known !== undefined) return known;
    const acl = new ServerAcl(event.content);
    this.#acls.set(event, acl);
    return acl;
  }
}
