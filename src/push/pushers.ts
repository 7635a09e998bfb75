import { invalidParam, MatrixError, tooLarge } from '../protocol/errors.ts';
import type { Database } from '../store/db.ts';
import type { DeviceNid, UserNid } from '../store/nids.ts';
import type { Pusher, PusherSettings, PusherStore } from '../store/push/pushers.ts';
import type { Streams } from '../streams/streams.ts';
import type { DeviceObserver } from '../users/devices.ts';
import type { Requester } from '../users/login/requester.ts';
import type { MailAddresses, MailAddressObserver } from '../users/mail/mail-addresses.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';

export interface PushersUses {
  readonly db: Database;
  readonly pushers: PusherStore;
  readonly streams: Streams;
  readonly clock: Clock;
  /** Whether the admin lets requests into any private network. */
  readonly hasAllowedRanges: boolean;
  readonly mailAddresses: MailAddresses;
}

/** A pusher as a client wants it. */
export interface PusherWish extends Omit<PusherSettings, 'data'> {
  readonly data: JsonObject;
  /** Whether pushers of other users with the same key of the same app stay. */
  readonly append: boolean;
}

/** The only path that a gateway may have. */
const gatewayPath = '/_matrix/push/v1/notify';
/** The app that pushers of kind `email` belong to. */
const mailApp = 'm.email';
/** More than a phone, a tablet and a browser for each of several apps. */
const maxPushers = 100;
const maxDataLength = 16_384;

/**
 * The pushers of users: where each app wants to hear of what notifies.
 * @see https://spec.matrix.org/v1.19/client-server-api/#push-notifications
 */
export class Pushers implements DeviceObserver, MailAddressObserver {
  readonly #uses: PushersUses;

  constructor(uses: PushersUses) {
    this.#uses = uses;
  }

  list(user: UserNid): Pusher[] {
    return this.#uses.pushers.ofUser(user);
  }

  /** Makes a pusher or changes the one with this key and app. 400 M_INVALID_PARAM, M_THREEPID_NOT_FOUND; 413 M_TOO_LARGE. */
  async set({ user, device }: Requester, wish: PusherWish): Promise<void> {
    const { db, pushers, streams, clock } = this.#uses;
    const data = JSON.stringify(wish.data);
    if (data.length > maxDataLength) throw tooLarge('data is too large');
    if (wish.kind === 'http') this.#checkUrl(wish.data['url']);
    else this.#checkAddress(user, wish);
    const settings: PusherSettings = { ...wish, data };
    await db.durable<void>(() => {
      const ts = clock.now();
      const now = streams.now();
      if (!wish.append) pushers.removeOthers(user, wish.appId, wish.pushkey);
      const known = pushers.find(user, wish.appId, wish.pushkey);
      if (known === undefined) {
        if (pushers.ofUser(user).length >= maxPushers) throw invalidParam(`A user can have ${maxPushers} pushers`);
        pushers.insert(user, device, settings, { now, ts });
      } else {
        // What came while it was turned off is old news when it is turned on.
        pushers.update(known.nid, device, settings, { cursor: known.enabled ? known.cursor : now, now, ts });
        // Wakes the delivery.
        streams.touchUser(user);
      }
    });
  }

  /** One that does not exist is deleted already. */
  delete(user: UserNid, appId: string, pushkey: string): Promise<void> {
    return this.#uses.db.durable<void>(() => this.#uses.pushers.removeOf(user, appId, pushkey));
  }

  /** Whoever logs a device out does not want to hear from it any more. */
  onDeviceRemoved(_user: UserNid, device: DeviceNid): void {
    this.#uses.pushers.removeOfDevice(device);
  }

  onMailAddressRemoved(user: UserNid, address: string): void {
    this.#uses.pushers.removeOf(user, mailApp, address);
  }

  /** Mail goes to the user's own addresses only: it would be a way to have others flooded. */
  #checkAddress(user: UserNid, { appId, pushkey }: PusherWish): void {
    const { mailAddresses } = this.#uses;
    if (!mailAddresses.enabled) throw invalidParam('This server sends no mail');
    if (appId !== mailApp) throw invalidParam(`app_id must be "${mailApp}" for kind "email"`);
    if (!mailAddresses.isOf(user, pushkey) || pushkey !== pushkey.toLowerCase()) {
      throw new MatrixError(400, 'M_THREEPID_NOT_FOUND', 'pushkey must be a mail address of the account');
    }
  }

  /** Without TLS only what the admin allows can be reached at all: nobody else shall read messages on the way. */
  #checkUrl(value: unknown): void {
    const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
    const isEncrypted = url?.protocol === 'https:' || (url?.protocol === 'http:' && this.#uses.hasAllowedRanges);
    if (url === undefined || !isEncrypted) throw invalidParam('data.url must be an HTTPS URL');
    if (url.username !== '' || url.password !== '') throw invalidParam('data.url must not have a user name');
    if (url.pathname !== gatewayPath) throw invalidParam(`The path of data.url must be ${gatewayPath}`);
  }
}
