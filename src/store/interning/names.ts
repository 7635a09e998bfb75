import type { EventId, RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { EventNid, RoomNid, ServerNid, StateKeyNid, TypeNid, UserNid } from '../nids.ts';

export interface StateKeyName {
  readonly type: string;
  readonly skey: string;
  readonly typeNid: TypeNid;
}

/** The strings that are stored as numbers. Each throws for a NID that does not exist. */
export interface Names {
  serverName(nid: ServerNid): ServerName;
  userId(nid: UserNid): UserId;
  userServer(nid: UserNid): ServerNid;
  roomId(nid: RoomNid): RoomId;
  typeName(nid: TypeNid): string;
  stateKeyOf(nid: StateKeyNid): StateKeyName;
  eventId(nid: EventNid): EventId;
}

/** How each kind is read. */
export interface NameReaders {
  readonly server: (nid: ServerNid) => ServerName;
  readonly user: (nid: UserNid) => { readonly id: UserId; readonly server: ServerNid };
  readonly stateKey: (nid: StateKeyNid) => StateKeyName;
  readonly event: (nid: EventNid) => EventId;
}

/**
 * Names for one page of what is read once. What its rows have in common (their servers, the events they all cite) is
 * read once for the page, and all of it is forgotten with the page: strings that went through the caches of everybody
 * would drive out what is needed again, and live long enough to become old garbage, which the heap grows by.
 */
export class PageNames implements Names {
  readonly #kept: Pick<Names, 'roomId' | 'typeName'>;
  readonly #server;
  readonly #user;
  readonly #stateKey;
  readonly #event;

  /** Rooms and types are few: those that are `kept` in memory will do. */
  constructor(kept: Pick<Names, 'roomId' | 'typeName'>, readers: NameReaders) {
    this.#kept = kept;
    this.#server = memo(readers.server);
    this.#user = memo(readers.user);
    this.#stateKey = memo(readers.stateKey);
    this.#event = memo(readers.event);
  }

  serverName(nid: ServerNid): ServerName {
    return this.#server(nid);
  }

  userId(nid: UserNid): UserId {
    return this.#user(nid).id;
  }

  userServer(nid: UserNid): ServerNid {
    return this.#user(nid).server;
  }

  roomId(nid: RoomNid): RoomId {
    return this.#kept.roomId(nid);
  }

  typeName(nid: TypeNid): string {
    return this.#kept.typeName(nid);
  }

  stateKeyOf(nid: StateKeyNid): StateKeyName {
    return this.#stateKey(nid);
  }

  eventId(nid: EventNid): EventId {
    return this.#event(nid);
  }
}

function memo<N, T>(read: (nid: N) => T): (nid: N) => T {
  const known = new Map<N, T>();
  return (nid) => {
    let value = known.get(nid);
    if (value === undefined) {
      value = read(nid);
      known.set(nid, value);
    }
    return value;
  };
}
