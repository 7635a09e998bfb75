import { invalidParam, notFound, tooLarge } from '../protocol/errors.ts';
import { asDeviceId, parseDeviceId } from '../protocol/ids/key-id.ts';
import type { DeviceId } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { DeviceNid, UserNid } from '../store/nids.ts';
import type { DeviceRow, DeviceStore } from '../store/users/devices.ts';
import type { Clock } from '../util/clock.ts';
import { type Random, randomLetters } from '../util/random.ts';
import type { Tokens } from './login/tokens.ts';

export type Device = DeviceRow;

/** Hears of devices that come and go, inside the transaction: device lists and keys follow them. */
export interface DeviceObserver {
  onDeviceRemoved(user: UserNid, device: DeviceNid, deviceId: DeviceId): void;
  onDeviceRenamed?(user: UserNid, device: DeviceNid, deviceId: DeviceId): void;
}

export interface DevicesUses {
  readonly db: Database;
  readonly store: DeviceStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: Random;
  readonly observers: readonly DeviceObserver[];
}

const maxNameLength = 256;

/** The devices of local users. */
export class Devices {
  readonly #uses: DevicesUses;

  constructor(uses: DevicesUses) {
    this.#uses = uses;
  }

  /** By device ID. */
  list(user: UserNid): DeviceRow[] {
    return this.#uses.store.list(user);
  }

  /** 404 M_NOT_FOUND. */
  get(user: UserNid, deviceId: string): DeviceRow {
    const row = this.#uses.store.find(user, deviceId);
    if (row === undefined) throw notFound('There is no such device');
    return row;
  }

  /** 404 M_NOT_FOUND, 413 M_TOO_LARGE. Without a name nothing changes. */
  async rename(user: UserNid, deviceId: string, name: string | undefined): Promise<void> {
    this.checkName(name);
    const row = this.get(user, deviceId);
    if (name === undefined || name === row.displayName) return;
    const { db, store, observers } = this.#uses;
    await db.durable<void>(() => {
      store.rename(row.nid, name);
      for (const observer of observers) observer.onDeviceRenamed?.(user, row.nid, row.deviceId);
    });
  }

  /** The device ID that a client asks for; one is made up if it asks for none. 400 M_INVALID_PARAM. */
  wantedId(asked: string | undefined): DeviceId {
    if (asked === undefined) return asDeviceId(randomLetters(this.#uses.random, 10).toUpperCase());
    const deviceId = parseDeviceId(asked);
    if (deviceId === undefined) throw invalidParam('device_id cannot be used');
    return deviceId;
  }

  /** 413 M_TOO_LARGE. */
  checkName(name: string | undefined): void {
    if (name !== undefined && name.length > maxNameLength) {
      throw tooLarge(`A device name may have at most ${maxNameLength} characters`);
    }
  }

  /** Inside a write: the device for a new session. One that exists keeps its name and loses its tokens. */
  forSession(user: UserNid, deviceId: DeviceId, name: string | undefined): DeviceNid {
    const { store, tokens, clock } = this.#uses;
    const known = store.find(user, deviceId);
    if (known === undefined) return store.insert(user, deviceId, name, clock.now());
    store.removeTokens(known.nid);
    tokens.forget();
    return known.nid;
  }

  /** Inside a write: notes where the device is. */
  seen(device: DeviceNid, ip: string, agent: string | undefined): void {
    this.#uses.store.seen(device, this.#uses.clock.now(), ip, agent?.slice(0, 512));
  }

  /** Inside a write: removes devices with their tokens; those that do not exist are gone already. */
  remove(user: UserNid, deviceIds: readonly string[]): void {
    const { store } = this.#uses;
    for (const deviceId of deviceIds) {
      const row = store.find(user, deviceId);
      if (row) this.#remove(row);
    }
  }

  /** Inside a write: removes all devices but one, and the tokens by which there would be further ones. */
  removeAll(user: UserNid, except?: DeviceNid): void {
    this.#uses.tokens.removeLogins(user);
    for (const row of this.#uses.store.list(user)) if (row.nid !== except) this.#remove(row);
  }

  #remove(row: DeviceRow): void {
    const { store, tokens, observers } = this.#uses;
    store.remove(row.nid);
    tokens.forget();
    for (const observer of observers) observer.onDeviceRemoved(row.user, row.nid, row.deviceId);
  }
}
