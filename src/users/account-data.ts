import { badJson, invalidParam, MatrixError, notFound, tooLarge } from '../protocol/errors.ts';
import { parseRoomId } from '../protocol/ids/room-id.ts';
import type { Database } from '../store/db.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import type { AccountDataRow, AccountDataStore } from '../store/users/account-data.ts';
import type { Streams } from '../streams/streams.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

/** Types that clients read but change by other calls only. */
const managedTypes: ReadonlySet<string> = new Set(['m.push_rules', 'm.fully_read']);

const maxTypeLength = 255;
const maxTagBytes = 255;
/** Of one type: lists of direct chats and of ignored users are the longest that there are. */
const maxContent = 1024 * 1024;
/** Of one user: a first /sync tells all of it, what concerns no room in one piece. */
const maxKept = 16 * 1024 * 1024;

export interface AccountDataUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly store: AccountDataStore;
  readonly streams: Streams;
}

/** Hears of each change, inside its transaction. */
export interface AccountDataObserver {
  onAccountData(user: UserNid, room: RoomNid | undefined, type: string): void;
}

/** What clients keep on the server for their user: globally and room by room. */
export class AccountData {
  readonly #uses: AccountDataUses;
  // Both are filled once, at the start.
  readonly #defaults = new Map<string, (user: UserNid) => JsonObject | undefined>();
  readonly #observers: AccountDataObserver[] = [];

  constructor(uses: AccountDataUses) {
    this.#uses = uses;
  }

  /** Global content of a type that is there although nobody has set it, such as the predefined push rules. */
  provideDefault(type: string, content: (user: UserNid) => JsonObject | undefined): void {
    this.#defaults.set(type, content);
  }

  observe(observer: AccountDataObserver): void {
    this.#observers.push(observer);
  }

  /** The global content of a type as it was set; `undefined` if never. */
  get(user: UserNid, type: string): JsonObject | undefined {
    return this.#content(this.#uses.store.find(user, undefined, type));
  }

  /** Sets global content. In a write of its own or in the caller's. */
  set(user: UserNid, type: string, content: JsonObject): void {
    this.put(user, undefined, type, content);
  }

  ofRoom(user: UserNid, room: RoomNid, type: string): JsonObject | undefined {
    return this.#content(this.#uses.store.find(user, room, type));
  }

  /** Sets content, global without a room. In a write of its own or in the caller's. */
  put(user: UserNid, room: RoomNid | undefined, type: string, content: JsonObject): void {
    const { db, store, streams } = this.#uses;
    const text = JSON.stringify(content);
    db.write<void>(() => {
      if (store.find(user, room, type)?.content === text) return;
      store.put(user, room, type, text, streams.next());
      streams.touchUser(user);
      for (const observer of this.#observers) observer.onAccountData(user, room, type);
    });
  }

  /** As a client reads it. 404 M_NOT_FOUND · 400 M_INVALID_PARAM not a room ID */
  read(user: UserNid, roomId: string | undefined, type: string): JsonObject {
    const room = roomId === undefined ? undefined : this.#findRoom(roomId);
    if (roomId !== undefined && room === undefined) throw noSuchData();
    const content = this.#content(this.#uses.store.find(user, room, type));
    const found = content ?? (roomId === undefined ? this.#defaults.get(type)?.(user) : undefined);
    if (found === undefined) throw noSuchData();
    return found;
  }

  /** As a client sets it. 405 M_BAD_JSON a type of the server's · 400 M_INVALID_PARAM not a room ID, no type · 413 M_TOO_LARGE */
  async change(user: UserNid, roomId: string | undefined, type: string, content: JsonObject): Promise<void> {
    if (managedTypes.has(type)) throw new MatrixError(405, 'M_BAD_JSON', `${type} cannot be set through this API`);
    if (type.length > maxTypeLength) throw invalidParam('This type is too long');
    if (roomId !== undefined) checkRoomId(roomId);
    await this.#uses.db.durable<void>(() => {
      this.#keep(user, roomId === undefined ? undefined : this.#uses.interning.room(roomId), type, content);
    });
  }

  /** All global account data, defaults included. */
  all(user: UserNid): AccountDataRow[] {
    const rows = this.#uses.store.list(user, undefined);
    const set = new Set(rows.map(({ type }) => type));
    for (const [type, content] of this.#defaults) {
      const value = set.has(type) ? undefined : content(user);
      if (value !== undefined) rows.push({ type, content: JSON.stringify(value), pos: 0 as StreamPos });
    }
    return rows;
  }

  allOfRoom(user: UserNid, room: RoomNid): AccountDataRow[] {
    return this.#uses.store.list(user, room);
  }

  /** What changed in (after, upTo], oldest first; global without a room. */
  changed(user: UserNid, room: RoomNid | undefined, after: StreamPos, upTo: StreamPos): AccountDataRow[] {
    return this.#uses.store.changed(user, room, after, upTo);
  }

  /** The tags of a room. 400 M_INVALID_PARAM not a room ID */
  tags(user: UserNid, roomId: string): JsonObject {
    const room = this.#findRoom(roomId);
    return room === undefined ? {} : this.#tags(user, room);
  }

  /** 400 M_INVALID_PARAM not a room ID, tag too long · 400 M_BAD_JSON `order` is no number · 413 M_TOO_LARGE */
  async setTag(user: UserNid, roomId: string, tag: string, content: JsonObject): Promise<void> {
    checkRoomId(roomId);
    if (Buffer.byteLength(tag) > maxTagBytes) throw invalidParam(`A tag may have at most ${maxTagBytes} bytes`);
    if (content['order'] !== undefined && typeof content['order'] !== 'number') {
      throw badJson('order must be a number');
    }
    await this.#uses.db.durable<void>(() => {
      const room = this.#uses.interning.room(roomId);
      this.#keep(user, room, 'm.tag', { tags: { ...this.#tags(user, room), [tag]: content } });
    });
  }

  /** A tag that is not there is no error. 400 M_INVALID_PARAM not a room ID */
  async removeTag(user: UserNid, roomId: string, tag: string): Promise<void> {
    const room = this.#findRoom(roomId);
    if (room === undefined) return;
    await this.#uses.db.durable<void>(() => {
      const { [tag]: removed, ...tags } = this.#tags(user, room);
      if (removed !== undefined) this.put(user, room, 'm.tag', { tags });
    });
  }

  /** Inside a write: nothing is left. */
  erase(user: UserNid): void {
    this.#uses.store.removeAll(user);
  }

  /** Inside a write: what a client wants to be kept. 413 M_TOO_LARGE */
  #keep(user: UserNid, room: RoomNid | undefined, type: string, content: JsonObject): void {
    const { store } = this.#uses;
    const bytes = Buffer.byteLength(JSON.stringify(content));
    if (bytes > maxContent) throw tooLarge(`Account data of one type may have ${maxContent} bytes at most`);
    const before = Buffer.byteLength(store.find(user, room, type)?.content ?? '');
    if (bytes > before && store.size(user) - before + bytes > maxKept) {
      throw tooLarge(`All account data of a user may have ${maxKept} bytes at most`);
    }
    this.put(user, room, type, content);
  }

  #tags(user: UserNid, room: RoomNid): JsonObject {
    const tags = this.ofRoom(user, room, 'm.tag')?.['tags'];
    return isJsonObject(tags) ? tags : {};
  }

  #content(row: AccountDataRow | undefined): JsonObject | undefined {
    return row && (JSON.parse(row.content) as JsonObject);
  }

  #findRoom(roomId: string): RoomNid | undefined {
    checkRoomId(roomId);
    return this.#uses.interning.findRoom(roomId);
  }
}

function checkRoomId(roomId: string): void {
  if (parseRoomId(roomId) === undefined) throw invalidParam('This is not a room ID');
}

const noSuchData = () => notFound('There is no account data of this type');
