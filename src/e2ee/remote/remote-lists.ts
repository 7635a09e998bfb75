import type { DeviceLists } from '../../devices/device-lists.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import type { CrossSigningKey } from '../../store/e2ee/cross-signing.ts';
import type { DeviceListStore } from '../../store/e2ee/device-lists.ts';
import type { RemoteDevice } from '../../store/e2ee/remote-devices.ts';
import type { RemoteListRow, RemoteListStore } from '../../store/e2ee/remote-lists.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { UserNid } from '../../store/nids.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import { storedKey } from '../signed-keys.ts';
import { isStreamId, maxDevices, publicHalf, type RemoteKeys, readCrossSigningKey, readDevice } from './answers.ts';

export interface RemoteListsUses {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly interning: Interning;
  readonly remoteLists: RemoteListStore;
  readonly deviceLists: DeviceListStore;
  readonly lists: DeviceLists;
  readonly serverName: ServerName;
}

/** A list is fetched again no sooner: what changed while it was fetched changes on, mostly. */
const pause = 5_000;
const listsAtOnce = 500;

/**
 * Devices and cross-signing keys of other servers' users who share a room with ours: fetched when somebody asks, kept up
 * to date by what their servers tell, fetched again when something of that was lost.
 * @see https://spec.matrix.org/v1.19/server-server-api/#device-management
 */
export class RemoteLists {
  readonly #uses: RemoteListsUses;
  /** Is told when a list is to be fetched. */
  onDue: () => void = () => {};

  constructor(uses: RemoteListsUses) {
    this.#uses = uses;
  }

  /** An `m.device_list_update` EDU. What is malformed or not the origin's to say does nothing. */
  deviceListUpdate(origin: ServerName, content: JsonObject): void {
    const userId = ownerOf(origin, content['user_id']);
    const { stream_id: stream, device_id: deviceId } = content;
    const prev = content['prev_id'] ?? [];
    const isForm = isStreamId(stream) && typeof deviceId === 'string' && Array.isArray(prev);
    if (userId === undefined || !isForm) return this.#refuse(origin, 'm.device_list_update');
    this.#news(userId, (row) => {
      if (row.stream === stream) return 'known';
      const isNext = row.stale === 0 && prev.length > 0 && prev.every((id) => id === row.stream);
      if (!isNext || !this.#put(userId, row.user, deviceId, content)) return 'gap';
      this.#uses.remoteLists.advance(row.user, stream);
      return 'applied';
    });
  }

  /** An `m.signing_key_update` EDU. */
  signingKeyUpdate(origin: ServerName, content: JsonObject): void {
    const userId = ownerOf(origin, content['user_id']);
    if (userId === undefined) return this.#refuse(origin, 'm.signing_key_update');
    this.#news(userId, ({ user, master, selfSigning }) => {
      const newMaster = readCrossSigningKey(userId, 'master', content['master_key']);
      const newSelfSigning = readCrossSigningKey(userId, 'self_signing', content['self_signing_key']);
      this.#uses.remoteLists.setCrossSigning(user, newMaster ?? master, newSelfSigning ?? selfSigning);
      return 'applied';
    });
  }

  /** The list of a user, if there is one and nothing in it is known to be missing. */
  current(user: UserNid): RemoteListRow | undefined {
    const row = this.#uses.remoteLists.find(user);
    // Who shares no room any more is not followed, until the row goes.
    return row?.stale === 0 && this.#uses.lists.isShared(user) ? row : undefined;
  }

  /** Inside a write, before a user's keys are asked for: the row against which the answer is held; `undefined`: not followed. */
  begin(user: UserNid): RemoteListRow | undefined {
    const { lists, remoteLists } = this.#uses;
    if (!lists.isShared(user)) return undefined;
    remoteLists.begin(user);
    return remoteLists.find(user);
  }

  /**
   * Inside a write: takes an answer to a question that was asked when the list was as `before`. It is whole if there
   * was no news meanwhile.
   */
  settle(before: RemoteListRow, keys: RemoteKeys, stream: number | null): void {
    const { remoteLists, lists, clock } = this.#uses;
    const { user } = before;
    const row = remoteLists.find(user);
    // It may have gone meanwhile, or been settled by another answer that is as good.
    if (row === undefined || (row.stale === 0 && stream === null)) return;
    const isChanged = this.#replace(row, keys);
    if (row.marks === before.marks) remoteLists.settle(user, stream);
    else this.#markStale(user, clock.now() + pause);
    // Who is asked about for the first time is no news to those who ask.
    const isFirst = row.stale === 1 && row.marks === 0;
    if (isChanged && !isFirst) lists.announceRemote(user);
  }

  /** The master key of another server's user, as far as it is known. */
  masterKey(user: UserNid): CrossSigningKey | undefined {
    const text = this.#uses.remoteLists.find(user)?.master;
    if (text === undefined || text === null) return undefined;
    const value = publicHalf(storedKey(text));
    return value === undefined ? undefined : { public: value, key: text };
  }

  /**
   * Drops lists, and news, of other servers' users who share no room any more; answers where to go on, `undefined` at the
   * end.
   */
  sweep(after: UserNid | 0, limit: number): UserNid | undefined {
    const { db, interning, remoteLists, deviceLists, lists, serverName } = this.#uses;
    const own = interning.findServer(serverName);
    const users = new Set([...remoteLists.page(after, limit), ...deviceLists.page(after, limit)]);
    const page = [...users].sort((a, b) => a - b).slice(0, limit);
    const gone = page.filter((user) => interning.userServer(user) !== own && !lists.isShared(user));
    if (gone.length > 0) db.write<void>(() => gone.forEach((user) => remoteLists.remove(user)));
    return page.length < limit ? undefined : page.at(-1);
  }

  /** Inside a write: every list is to be fetched again. */
  doubtAll(): void {
    const { remoteLists, clock } = this.#uses;
    let page = remoteLists.page(0, listsAtOnce);
    while (page.length > 0) {
      for (const user of page) this.#markStale(user, clock.now());
      page = remoteLists.page(page.at(-1) ?? 0, listsAtOnce);
    }
  }

  #news(userId: string, apply: (row: RemoteListRow) => 'known' | 'applied' | 'gap'): void {
    const { db, interning, remoteLists, lists, clock } = this.#uses;
    const user = interning.findUser(userId);
    // Whom nobody here has ever seen shares no room with anybody.
    if (user === undefined || !lists.isShared(user)) return;
    db.write<void>(() => {
      const row = remoteLists.find(user);
      const outcome = row === undefined ? 'applied' : apply(row);
      if (outcome === 'known') return;
      if (outcome === 'gap') this.#markStale(user, clock.now());
      lists.announceRemote(user);
    });
  }

  /** False if it cannot be kept. */
  #put(userId: string, user: UserNid, deviceId: string, content: JsonObject): boolean {
    const { remoteLists } = this.#uses;
    const device =
      content['deleted'] === true
        ? undefined
        : readDevice(userId, deviceId, content['keys'], content['device_display_name']);
    if (device === undefined) {
      remoteLists.devices.remove(user, deviceId);
      return true;
    }
    if (remoteLists.devices.one(user, deviceId) === undefined && remoteLists.devices.count(user) >= maxDevices)
      return false;
    remoteLists.devices.put(user, device);
    return true;
  }

  #markStale(user: UserNid, due: number): void {
    const { db, remoteLists } = this.#uses;
    remoteLists.mark(user, millis(due));
    db.afterCommit(() => this.onDue());
  }

  /** Answers whether anything is new. */
  #replace(row: RemoteListRow, keys: RemoteKeys): boolean {
    const { remoteLists } = this.#uses;
    const { user } = row;
    const before = new Map(remoteLists.devices.list(user).map((device) => [device.deviceId, device]));
    let isChanged = row.master !== keys.master || row.selfSigning !== keys.selfSigning;
    if (isChanged) remoteLists.setCrossSigning(user, keys.master, keys.selfSigning);
    for (const device of keys.devices) {
      const old = before.get(device.deviceId);
      before.delete(device.deviceId);
      if (isSame(old, device)) continue;
      remoteLists.devices.put(user, device);
      isChanged = true;
    }
    for (const deviceId of before.keys()) remoteLists.devices.remove(user, deviceId);
    return isChanged || before.size > 0;
  }

  #refuse(origin: ServerName, kind: string): void {
    this.#uses.log.debug('e2ee.edu_refused', { origin, kind });
  }
}

function isSame(one: RemoteDevice | undefined, other: RemoteDevice): boolean {
  return one !== undefined && one.keys === other.keys && one.displayName === other.displayName;
}

/** The user that an EDU is about, if the server that sent it may speak of it. */
export function ownerOf(origin: ServerName, userId: unknown): string | undefined {
  const parsed = typeof userId === 'string' ? parseUserId(userId) : undefined;
  return parsed !== undefined && serverOf(parsed) === origin ? parsed : undefined;
}
