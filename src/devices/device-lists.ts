import type { ServerName } from '../protocol/ids/types.ts';
import type { CrossSigningStore } from '../store/e2ee/cross-signing.ts';
import type { DeviceListStore } from '../store/e2ee/device-lists.ts';
import type { DeviceUpdateStore } from '../store/e2ee/device-updates.ts';
import type { RemoteListStore } from '../store/e2ee/remote-lists.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, StreamPos, UserNid } from '../store/nids.ts';
import type { PartialRooms } from '../store/rooms/partial-rooms.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { SyncChanges } from '../store/sync/changes.ts';
import type { Streams } from '../streams/streams.ts';

export interface DeviceListsUses {
  readonly streams: Streams;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly stateLog: StateLog;
  readonly syncChanges: SyncChanges;
  readonly deviceLists: DeviceListStore;
  readonly deviceUpdates: DeviceUpdateStore;
  readonly remoteLists: RemoteListStore;
  readonly partialRooms: PartialRooms;
  readonly crossSigning: CrossSigningStore;
  readonly serverName: ServerName;
}

/**
 * The `stream_id` by which other servers know an update of one of our users. It never comes twice, not even after a
 * restore from a backup, which raises the epoch.
 */
export function streamIdOf(epoch: number, pos: StreamPos): number {
  return epoch * 2 ** 40 + pos;
}

/** In `announce`: not a device, but the cross-signing keys. */
export const crossSigningKeys = '';

/** A stretch of the stream, as one user sees it. */
export interface DeviceListStretch {
  readonly user: UserNid;
  readonly from: StreamPos;
  readonly now: StreamPos;
}

/** Whose keys a client has to ask for again, and whose it need not follow any more. */
export interface DeviceListNews {
  readonly changed: ReadonlySet<UserNid>;
  readonly left: ReadonlySet<UserNid>;
}

/** Members read at a time. */
const pageSize = 1000;
/** Other servers name those who come and go in all rooms, and some clients rely on it; up to so many members it costs little. */
const smallRoom = 500;
/** Of so many it is asked one by one whether they share a room with a user. */
const mostOneByOne = 20;
/** No limit, in SQLite's words. */
const allRooms = -1;

/**
 * Whose devices and cross-signing keys have changed, for those who share a room. Only the newest change of each user is
 * remembered; who shares rooms is read from the rooms, so nothing grows with pairs of users.
 * @see https://spec.matrix.org/v1.19/client-server-api/#tracking-the-device-list-for-a-user
 */
export class DeviceLists {
  readonly #uses: DeviceListsUses;

  constructor(uses: DeviceListsUses) {
    this.#uses = uses;
  }

  /**
   * Inside a write: tells one of our users, all who share a room, and their servers that there is something new about
   * these devices or about the `crossSigningKeys`.
   */
  announce(user: UserNid, changed: Iterable<string>): void {
    const { streams, deviceLists, deviceUpdates } = this.#uses;
    // Each has a position of its own: other servers know an update by it.
    for (const deviceId of new Set(changed)) {
      const pos = streams.next();
      deviceUpdates.insert({ user, pos, deviceId });
      deviceLists.put(user, pos);
    }
    streams.touchUser(user);
    for (const room of deviceLists.roomsOf(user)) streams.touchRoom(room);
  }

  /** Inside a write: tells ours who share a room with another server's user that the user's keys are to be asked for again. */
  announceRemote(user: UserNid): void {
    const { streams, deviceLists } = this.#uses;
    deviceLists.put(user, streams.next());
    for (const room of this.#roomsWith(user, allRooms)) streams.touchRoom(room);
  }

  /** Whether another server's user and any of ours are in the same room. */
  isShared(user: UserNid): boolean {
    return this.#roomsWith(user, 1).length > 0;
  }

  #roomsWith(user: UserNid, limit: number): RoomNid[] {
    const { interning, remoteLists, serverName } = this.#uses;
    const own = interning.findServer(serverName);
    if (own === undefined) return [];
    return remoteLists.sharedRooms(user, { server: interning.userServer(user), own, limit });
  }

  /**
   * `changed`: whoever shares a room with the user and has changed keys, or did not share that room before; it may name
   * some who shared another one. `left`: who shared a room at the beginning and shares no encrypted one now. `rooms`: all
   * the user's rooms in which something may have happened. Large rooms that are not encrypted are passed over.
   */
  news(stretch: DeviceListStretch, rooms: readonly LocalMember[]): DeviceListNews {
    const { deviceLists, crossSigning, roomState } = this.#uses;
    const { user, from, now } = stretch;
    const changed = new Set<UserNid>();
    const maybeLeft = new Set<UserNid>();
    for (const other of deviceLists.changed(from, now)) {
      if (other === user || deviceLists.share(user, other)) changed.add(other);
    }
    for (const other of crossSigning.signedBy(user, from, now)) changed.add(other);
    const own = roomState.localChanges(user, from, now);
    for (const member of own) this.#ownChange(stretch, member, changed, maybeLeft);
    for (const { room, pos } of rooms) if (pos <= from) this.#roomChange(stretch, room, changed, maybeLeft);
    maybeLeft.delete(user);
    return { changed, left: this.#notShared(user, maybeLeft) };
  }

  /** Those who share no encrypted room with the user. */
  #notShared(user: UserNid, others: Set<UserNid>): Set<UserNid> {
    const { deviceLists } = this.#uses;
    if (others.size > mostOneByOne) return this.#without(others, deviceLists.encryptedRoomsOf(user));
    for (const other of others) if (deviceLists.shareEncrypted(user, other)) others.delete(other);
    return others;
  }

  /** Room by room, as the user has left a room of very many: each is held against the smaller side. */
  #without(others: Set<UserNid>, rooms: readonly RoomNid[]): Set<UserNid> {
    const { deviceLists, roomState } = this.#uses;
    for (const room of rooms) {
      const isSmaller = (roomState.info(room)?.joined ?? 0) <= others.size;
      const inside = isSmaller
        ? this.#joined(room)
        : chunks([...others]).flatMap((some) => deviceLists.joinedAmong(room, some));
      for (const other of inside) others.delete(other);
    }
    return others;
  }

  /** The same for a stretch that may be long; each of the user's rooms is looked at. */
  newsBetween(stretch: DeviceListStretch): DeviceListNews {
    const { syncChanges, roomState, partialRooms } = this.#uses;
    const behind = syncChanges.roomsBehind(stretch.user, stretch.from);
    const completed = partialRooms.completedBetween(stretch.from, stretch.now);
    const rooms = [...new Set([...behind, ...completed])]
      .map((room) => roomState.localMember(stretch.user, room))
      .filter((member) => member !== undefined);
    return this.news(stretch, rooms);
  }

  /** The user has come into a room, or out of it. */
  #ownChange(stretch: DeviceListStretch, member: LocalMember, changed: Set<UserNid>, maybeLeft: Set<UserNid>): void {
    const { user, from, now } = stretch;
    const { room } = member;
    if (!this.#isFollowed(room)) return;
    const isJoined = member.membership === memberships.join;
    const wasJoined = this.#wasJoined(room, user, from);
    if (!isJoined && !wasJoined) return;
    const { deviceLists } = this.#uses;
    if (wasJoined) {
      for (const change of deviceLists.memberChanges(room, from, now)) {
        if (change.membership !== memberships.join) maybeLeft.add(change.user);
      }
    }
    const here = isJoined ? changed : maybeLeft;
    for (const other of this.#joined(room)) if (other !== user) here.add(other);
  }

  *#joined(room: RoomNid): Generator<UserNid> {
    let after: UserNid | 0 = 0;
    while (true) {
      const page: UserNid[] = this.#uses.deviceLists.joined(room, after, pageSize);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      after = last;
    }
  }

  /** Others have come into a room where the user is, or out of it. */
  #roomChange(stretch: DeviceListStretch, room: RoomNid, changed: Set<UserNid>, maybeLeft: Set<UserNid>): void {
    const { user, from, now } = stretch;
    if (!this.#isFollowed(room)) return;
    const haveCome = this.#uses.partialRooms.hasCompleted(room, from, now);
    const isSwitchedOn =
      this.#isEncrypted(room) && this.#stateAt(room, wellKnown.stateKeys.encryption, from) === undefined;
    if (haveCome || isSwitchedOn) {
      // Members that were missing have come, or encryption has just been switched on.
      for (const other of this.#joined(room)) if (other !== user) changed.add(other);
    }
    for (const change of this.#uses.deviceLists.memberChanges(room, from, now)) {
      if (change.user === user) continue;
      const isJoined = change.membership === memberships.join;
      // A new name or picture changes nothing.
      if (this.#wasJoined(room, change.user, from) === isJoined) continue;
      (isJoined ? changed : maybeLeft).add(change.user);
    }
  }

  #wasJoined(room: RoomNid, user: UserNid, pos: StreamPos): boolean {
    const { interning, events } = this.#uses;
    const key = interning.findStateKey('m.room.member', interning.userId(user));
    const event = key === undefined ? undefined : this.#stateAt(room, key, pos);
    return event !== undefined && events.row(event)?.membership === memberships.join;
  }

  /** Nobody encrypts for the members of other rooms, and that is all the specification asks for; but see `smallRoom`. */
  #isFollowed(room: RoomNid): boolean {
    return this.#isEncrypted(room) || (this.#uses.roomState.info(room)?.joined ?? 0) <= smallRoom;
  }

  #isEncrypted(room: RoomNid): boolean {
    return this.#uses.roomState.current(room, wellKnown.stateKeys.encryption) !== undefined;
  }

  #stateAt(room: RoomNid, key: StateKeyNid, pos: StreamPos): EventNid | undefined {
    const { roomState, stateLog } = this.#uses;
    const info = roomState.info(room);
    return info === undefined ? undefined : stateLog.at({ line: info.line, pos }, key);
  }
}

function chunks(users: readonly UserNid[]): UserNid[][] {
  const parts: UserNid[][] = [];
  for (let at = 0; at < users.length; at += pageSize) parts.push(users.slice(at, at + pageSize));
  return parts;
}
