import { crossSigningKeys, streamIdOf } from '../../devices/device-lists.ts';
import type { Edu, EduPage, EduSource } from '../../federation/queue/edu-source.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { DeviceUpdate, DeviceUpdateStore, LocalJoin } from '../../store/e2ee/device-updates.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { ServerNid, StreamPos, UserNid } from '../../store/nids.ts';
import type { Streams } from '../../streams/streams.ts';
import type { JsonObject } from '../../util/json.ts';
import type { OwnKeys } from '../own-keys.ts';

export interface DeviceUpdateSourceUses {
  readonly streams: Streams;
  readonly interning: Interning;
  readonly deviceUpdates: DeviceUpdateStore;
  readonly ownKeys: OwnKeys;
  readonly serverName: ServerName;
}

/** Rows looked at in one call. */
const scanned = 500;

/** Something a server is to be told, at its place in the stream. */
interface Item {
  readonly pos: StreamPos;
  readonly user: UserNid;
  /** The user came to share a room with the server; else what has changed. */
  readonly deviceId: string | undefined;
}

/**
 * Tells other servers of our users' devices: exactly those that share a room with the user. What a server has not heard
 * is whatever lies behind its position in the stream, so there are no rows for each server.
 * @see https://spec.matrix.org/v1.19/server-server-api/#device-management
 */
export class DeviceUpdateSource implements EduSource {
  readonly #uses: DeviceUpdateSourceUses;

  constructor(uses: DeviceUpdateSourceUses) {
    this.#uses = uses;
  }

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const { deviceUpdates, interning, serverName } = this.#uses;
    const users = new Set(deviceUpdates.window(from, to, scanned).map(({ user }) => user));
    const joins = deviceUpdates.joins(from, to, scanned).filter(({ user }) => this.#hasDevices(user));
    if (users.size === 0 && joins.length === 0) return [];
    const own = interning.findServer(serverName);
    const found: ServerNid[] = [];
    let server = deviceUpdates.nextServer(after);
    while (server !== undefined && found.length < limit) {
      const current = server;
      const isNews =
        [...users].some((user) => deviceUpdates.shares(user, current)) ||
        joins.some(({ room }) => deviceUpdates.isIn(current, room));
      if (isNews && current !== own) found.push(current);
      server = deviceUpdates.nextServer(current);
    }
    return found;
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): EduPage {
    const { items, upTo } = this.#items(server, from, to);
    const fitting = items.slice(0, Math.max(0, limit));
    const first = items[fitting.length];
    const edus = this.#edus(fitting, from);
    if (first === undefined) return { edus, upTo };
    return { edus, upTo: fitting.at(-1)?.pos ?? from };
  }

  /** What concerns the server, in order, each thing once; complete up to `upTo`. */
  #items(server: ServerNid, from: StreamPos, to: StreamPos): { items: Item[]; upTo: StreamPos } {
    const { deviceUpdates } = this.#uses;
    const updates = deviceUpdates.window(from, to, scanned);
    const joins = deviceUpdates.joins(from, to, scanned);
    let upTo = to;
    for (const list of [updates, joins]) {
      const last = list.at(-1);
      if (list.length === scanned && last !== undefined && last.pos < upTo) upTo = last.pos;
    }
    const items = [...this.#updates(server, updates), ...this.#newlyShared(server, joins)];
    return { items: items.filter(({ pos }) => pos <= upTo).sort((a, b) => a.pos - b.pos), upTo };
  }

  /** The newest change of each device. */
  #updates(server: ServerNid, updates: readonly DeviceUpdate[]): Item[] {
    const shared = new Map<UserNid, boolean>();
    const newest = new Map<string, DeviceUpdate>();
    for (const update of updates) {
      const { user, deviceId } = update;
      const isShared = shared.get(user) ?? this.#uses.deviceUpdates.shares(user, server);
      shared.set(user, isShared);
      if (isShared) newest.set(`${user} ${deviceId}`, update);
    }
    return [...newest.values()];
  }

  #newlyShared(server: ServerNid, joins: readonly LocalJoin[]): Item[] {
    const { deviceUpdates } = this.#uses;
    const found = new Map<UserNid, Item>();
    for (const { user, room, pos } of joins) {
      if (found.has(user) || !deviceUpdates.isIn(server, room)) continue;
      if (deviceUpdates.sharedBefore(user, server, pos) || !this.#hasDevices(user)) continue;
      found.set(user, { user, pos, deviceId: undefined });
    }
    return [...found.values()];
  }

  #edus(items: readonly Item[], from: StreamPos): Edu[] {
    const { deviceUpdates, streams } = this.#uses;
    const edus: Edu[] = [];
    const idOf = (pos: StreamPos) => streamIdOf(streams.epoch, pos);
    /** The update that each is to be seen as the next of; none: the server must ask for the whole list. */
    const last = new Map<UserNid, StreamPos | undefined>();
    for (const { user, pos, deviceId } of items) {
      const content = deviceId === crossSigningKeys ? this.#signingKeys(user) : this.#device(user, deviceId);
      if (deviceId === crossSigningKeys) {
        edus.push({ edu_type: 'm.signing_key_update', content });
        continue;
      }
      const prev =
        deviceId === undefined ? undefined : last.has(user) ? last.get(user) : deviceUpdates.before(user, from);
      const stream = deviceId === undefined ? deviceUpdates.newest(user) : pos;
      edus.push({
        edu_type: 'm.device_list_update',
        content: {
          ...content,
          stream_id: stream === undefined ? 0 : idOf(stream),
          prev_id: prev === undefined ? [] : [idOf(prev)],
        },
      });
      if (deviceId !== undefined) last.set(user, pos);
    }
    return edus;
  }

  /** A device as it is now, gone or not; any of them if it is not said which. */
  #device(user: UserNid, deviceId: string | undefined): JsonObject {
    const { ownKeys, interning } = this.#uses;
    const device = deviceId === undefined ? ownKeys.devices(user, [], user)[0] : ownKeys.device(user, deviceId, user);
    const about = { user_id: interning.userId(user), device_id: deviceId ?? device?.deviceId ?? '' };
    if (device === undefined) return { ...about, deleted: true };
    const { keys, displayName } = device;
    return { ...about, keys, ...(displayName === null ? {} : { device_display_name: displayName }) };
  }

  #signingKeys(user: UserNid): JsonObject {
    const { ownKeys, interning } = this.#uses;
    const master = ownKeys.crossSigningKey(user, 'master', user);
    const selfSigning = ownKeys.crossSigningKey(user, 'self_signing', user);
    return {
      user_id: interning.userId(user),
      ...(master === undefined ? {} : { master_key: master }),
      ...(selfSigning === undefined ? {} : { self_signing_key: selfSigning }),
    };
  }

  #hasDevices(user: UserNid): boolean {
    return this.#uses.ownKeys.devices(user, [], user).length > 0;
  }
}
