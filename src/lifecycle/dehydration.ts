import type { ToDevice } from '../devices/to-device.ts';
import type { DeviceKeys, KeyUpload } from '../e2ee/device-keys.ts';
import { forbidden, invalidParam, notFound, tooLarge } from '../protocol/errors.ts';
import { parseDeviceId } from '../protocol/ids/key-id.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { Database } from '../store/db.ts';
import type { DehydratedDevice, DehydratedDeviceStore } from '../store/e2ee/dehydrated-devices.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { StreamPos, UserNid } from '../store/nids.ts';
import { streamStart } from '../store/sync/positions.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Streams } from '../streams/streams.ts';
import { parseToken, syncToken } from '../streams/tokens.ts';
import type { Devices } from '../users/devices.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Clock } from '../util/clock.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

export interface DehydrationUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly interning: Interning;
  readonly clock: Clock;
  readonly dehydratedDevices: DehydratedDeviceStore;
  readonly deviceStore: DeviceStore;
  readonly devices: Devices;
  readonly keys: DeviceKeys;
  readonly toDevice: ToDevice;
}

/** A device to be put to sleep. */
export interface SleepingDevice extends KeyUpload {
  readonly deviceId: string;
  readonly data: JsonObject;
  readonly displayName: string | undefined;
}

/** Clients put a few kilobytes there. */
const maxData = 64 * 1024;

/**
 * A device without a session, which gathers room keys while its user is logged out everywhere. It is like any other
 * device to those who write to it; with its secret the user's next device takes over what it has got.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
export class Dehydration {
  readonly #uses: DehydrationUses;

  constructor(uses: DehydrationUses) {
    this.#uses = uses;
  }

  /**
   * Resolves when the device is safe; the one before it is gone. 400 M_INVALID_PARAM no device ID, or not its keys · 403
   * M_FORBIDDEN the ID of a device that is awake · 413 M_TOO_LARGE.
   */
  put({ user, userId }: Requester, sleeping: SleepingDevice): Promise<void> {
    const { db, clock, dehydratedDevices, deviceStore, devices, keys } = this.#uses;
    const deviceId = parseDeviceId(sleeping.deviceId);
    if (deviceId === undefined) throw invalidParam('device_id cannot be used');
    devices.checkName(sleeping.displayName);
    const data = JSON.stringify(sleeping.data);
    if (data.length > maxData) throw tooLarge(`device_data may have at most ${maxData} bytes`);
    return db.durable<void>(() => {
      this.#remove(user);
      if (deviceStore.find(user, deviceId) !== undefined) throw forbidden('This device is in use');
      const device = deviceStore.insert(user, deviceId, sleeping.displayName, clock.now());
      dehydratedDevices.put(user, { device, data });
      keys.bring({ user, userId, device, deviceId }, sleeping);
    });
  }

  /** 404 M_NOT_FOUND. */
  get(user: UserNid): { deviceId: string; data: JsonObject } {
    const { data, deviceId } = this.#require(user);
    const value = parseJson(data);
    return { deviceId, data: isJsonObject(value) ? value : {} };
  }

  /** Resolves with the ID when the device is gone with all it has. 404 M_NOT_FOUND. */
  async remove(user: UserNid): Promise<string> {
    const { deviceId } = this.#require(user);
    await this.#uses.db.durable<void>(() => this.#remove(user));
    return deviceId;
  }

  /**
   * What the device has got after a token, the oldest first; `next` is where to go on, `isLast` whether that is all.
   * Nothing goes by being read. 403 M_FORBIDDEN another device · 404 M_NOT_FOUND · 400 M_INVALID_PARAM.
   */
  messages(
    user: UserNid,
    asked: string,
    from: string | undefined,
  ): { events: JsonObject[]; next: string; isLast: boolean } {
    const { streams, toDevice, interning } = this.#uses;
    const { device, deviceId } = this.#require(user);
    if (asked !== deviceId) throw forbidden('This is not the dehydrated device');
    const now = streams.now();
    const { messages, upTo } = toDevice.next(device, this.#position(from), now);
    const events = messages.map(({ sender, type, content }) => ({
      type,
      sender: interning.userId(sender),
      content: parseJson(content),
    }));
    return { events, next: syncToken(streams.epoch, upTo ?? now), isLast: upTo === undefined };
  }

  #position(from: string | undefined): StreamPos {
    if (from === undefined || from === '') return streamStart;
    const token = parseToken(from);
    if (token?.kind !== 'sync' || token.epoch > this.#uses.streams.epoch) throw invalidParam('No token of this server');
    return token.epoch === this.#uses.streams.epoch ? token.pos : streamStart;
  }

  #require(user: UserNid): DehydratedDevice & { readonly deviceId: string } {
    const { dehydratedDevices, deviceStore } = this.#uses;
    const found = dehydratedDevices.find(user);
    const row = found && deviceStore.row(found.device);
    if (found === undefined || row === undefined) throw notFound('There is no dehydrated device');
    return { ...found, deviceId: row.deviceId };
  }

  /** Inside a write. */
  #remove(user: UserNid): void {
    const { dehydratedDevices, deviceStore, devices } = this.#uses;
    const found = dehydratedDevices.find(user);
    if (found === undefined) return;
    const row = deviceStore.row(found.device);
    if (row !== undefined) devices.remove(user, [row.deviceId]);
    dehydratedDevices.remove(found.device);
  }
}
