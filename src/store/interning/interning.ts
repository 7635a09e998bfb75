import type { EventId, RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { Preparing } from '../database/reader.ts';
import type { EventNid, RoomNid, ServerNid, StateKeyNid, TypeNid, UserNid } from '../nids.ts';
import { EventIdTable } from './event-ids.ts';
import { type Names, PageNames, type StateKeyName } from './names.ts';
import { StateKeyTable } from './state-keys.ts';
import { TextTable } from './text-table.ts';
import { UserTable } from './users.ts';
import { wellKnownTypes } from './well-known.ts';

export type StringKind = 'server' | 'user' | 'room' | 'event_type' | 'state_key' | 'event_id';

/**
 * Entries kept in memory, each some 100–200 bytes in either direction (2–3 MB in all when full). Sized for what a busy
 * small server meets within minutes: the people who speak, their servers, the events of the open timelines.
 */
const LIMITS = { server: 1024, user: 4096, room: 1024, type: 256, stateKey: 4096, event: 4096 };

/**
 * Strings as integers. `x(text)` interns: it works inside a write only, and a NID never means another string. `findX`
 * gives `undefined` for what was never interned. The way back throws for a NID that does not exist.
 *
 * Look-ups are cached; a rollback takes what it interned out of the cache, as its NID may then be given out again.
 */
export class Interning implements Names {
  readonly #servers: TextTable<ServerNid, ServerName>;
  readonly #users: UserTable;
  readonly #rooms: TextTable<RoomNid, RoomId>;
  readonly #types: TextTable<TypeNid, string>;
  readonly #stateKeys: StateKeyTable;
  readonly #events: EventIdTable;
  readonly #fixedTypes = new Map<string, TypeNid>(wellKnownTypes.map(([nid, name]) => [name, nid]));
  readonly #fixedNames = new Map<TypeNid, string>(wellKnownTypes);
  #watcher: ((kind: StringKind, nid: number) => void) | undefined;

  constructor(db: Preparing) {
    this.#servers = new TextTable(db, 'server', 'name', LIMITS.server);
    this.#users = new UserTable(
      db,
      {
        find: (name) => this.findServer(name),
        intern: (name) => this.server(name),
        text: (nid) => this.serverName(nid),
      },
      LIMITS.user,
    );
    this.#rooms = new TextTable(db, 'room', 'room_id', LIMITS.room);
    this.#types = new TextTable(db, 'event_type', 'name', LIMITS.type);
    this.#stateKeys = new StateKeyTable(db, LIMITS.stateKey);
    this.#events = new EventIdTable(db, LIMITS.event);
  }

  server(name: string): ServerNid {
    return this.#seen('server', this.#servers.intern(name));
  }

  findServer(name: string): ServerNid | undefined {
    return this.#seen('server', this.#servers.find(name));
  }

  serverName(nid: ServerNid): ServerName {
    return this.#servers.text(nid);
  }

  /** @throws TypeError for a text without `@` and `:` */
  user(id: string): UserNid {
    return this.#seen('user', this.#users.intern(id));
  }

  findUser(id: string): UserNid | undefined {
    return this.#seen('user', this.#users.find(id));
  }

  userId(nid: UserNid): UserId {
    return this.#users.user(nid).id;
  }

  userServer(nid: UserNid): ServerNid {
    return this.#users.user(nid).server;
  }

  room(id: string): RoomNid {
    return this.#seen('room', this.#rooms.intern(id));
  }

  findRoom(id: string): RoomNid | undefined {
    return this.#seen('room', this.#rooms.find(id));
  }

  roomId(nid: RoomNid): RoomId {
    return this.#rooms.text(nid);
  }

  type(name: string): TypeNid {
    return this.#fixedTypes.get(name) ?? this.#seen('event_type', this.#types.intern(name));
  }

  findType(name: string): TypeNid | undefined {
    return this.#fixedTypes.get(name) ?? this.#seen('event_type', this.#types.find(name));
  }

  typeName(nid: TypeNid): string {
    return this.#fixedNames.get(nid) ?? this.#types.text(nid);
  }

  stateKey(type: string, skey: string): StateKeyNid {
    return this.#seen('state_key', this.#stateKeys.intern(this.type(type), skey));
  }

  findStateKey(type: string, skey: string): StateKeyNid | undefined {
    const typeNid = this.findType(type);
    return typeNid === undefined ? undefined : this.#seen('state_key', this.#stateKeys.find(typeNid, skey));
  }

  stateKeyOf(nid: StateKeyNid): StateKeyName {
    const { typeNid, skey } = this.#stateKeys.row(nid);
    return { type: this.typeName(typeNid), skey, typeNid };
  }

  event(id: string): EventNid {
    return this.#seen('event_id', this.#events.intern(id));
  }

  /** The same, and whether the ID was never seen before: then nothing that is stored refers to the event. */
  newEvent(id: string): { readonly nid: EventNid; readonly isNew: boolean } {
    const known = this.findEvent(id);
    return known === undefined
      ? { nid: this.#seen('event_id', this.#events.add(id)), isNew: true }
      : { nid: known, isNew: false };
  }

  findEvent(id: string): EventNid | undefined {
    return this.#seen('event_id', this.#events.find(id));
  }

  eventId(nid: EventNid): EventId {
    return this.#events.text(nid);
  }

  /** The IDs of many events; unknown NIDs are left out. */
  eventIds(nids: readonly EventNid[]): Map<EventNid, EventId> {
    return this.#events.texts(nids);
  }

  /** The same in no order, for IDs that are told once; nothing of it stays in memory. */
  passingEventIds(nids: readonly EventNid[]): EventId[] {
    return this.#events.passingTexts(nids);
  }

  /** Names for one page of what is gone through once, as a whole state is; nothing of it stays in memory. Not to be kept. */
  pageNames(): Names {
    const server = (nid: ServerNid) => this.#servers.passingText(nid);
    return new PageNames(this, {
      server,
      user: (nid) => this.#users.passingUser(nid, server),
      stateKey: (nid) => {
        const { typeNid, skey } = this.#stateKeys.passingRow(nid);
        return { type: this.typeName(typeNid), skey, typeNid };
      },
      event: (nid) => this.#events.passingText(nid),
    });
  }

  /** Tells `watcher` of every NID that is given out for a string from now on; for the sweep, which must spare them. */
  watch(watcher: ((kind: StringKind, nid: number) => void) | undefined): void {
    this.#watcher = watcher;
  }

  /** Gives memory back: what is needed is read again. */
  clearCaches(): void {
    for (const kind of ['server', 'user', 'room', 'event_type', 'state_key', 'event_id'] as const)
      this.clearCache(kind);
  }

  /** Forgets what is in memory of one kind: its rows have been deleted. */
  clearCache(kind: StringKind): void {
    const tables = {
      server: this.#servers,
      user: this.#users,
      room: this.#rooms,
      event_type: this.#types,
      state_key: this.#stateKeys,
      event_id: this.#events,
    };
    tables[kind].clearCache();
  }

  #seen<N extends number | undefined>(kind: StringKind, nid: N): N {
    if (this.#watcher !== undefined && nid !== undefined) this.#watcher(kind, nid);
    return nid;
  }
}
