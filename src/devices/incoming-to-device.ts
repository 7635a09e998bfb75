import type { ServerName } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { Database } from '../store/db.ts';
import type { RemoteToDeviceStore } from '../store/e2ee/remote-to-device.ts';
import type { Interning } from '../store/interning/interning.ts';
import { millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import { maxContent, type UserTexts } from './messages.ts';
import type { ToDevice } from './to-device.ts';

export interface IncomingToDeviceUses {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly interning: Interning;
  readonly remoteToDevice: RemoteToDeviceStore;
  readonly toDevice: ToDevice;
  readonly serverName: ServerName;
}

/** The specification allows 32 characters; nobody is hurt by some more. */
const maxMessageId = 255;
const maxType = 255;
/** Users looked at in one EDU, and devices of each: other servers close theirs long before it names so many. */
const maxUsers = 5000;
const maxDevices = 1000;
/** How long an ID is remembered: longer than most servers try to deliver one transaction. */
const lifetime = 7 * 24 * 60 * 60 * 1000;

/**
 * Messages that other servers' users send to devices of ours: each once, in the order in which their server tells them.
 * @see https://spec.matrix.org/v1.19/server-server-api/#send-to-device-messaging
 */
export class IncomingToDevice {
  readonly #uses: IncomingToDeviceUses;

  constructor(uses: IncomingToDeviceUses) {
    this.#uses = uses;
  }

  /** An `m.direct_to_device` EDU. One that is malformed, from another server's user or known already does nothing. */
  receive(origin: ServerName, content: JsonObject): void {
    const { db, clock, interning, remoteToDevice, toDevice, log, serverName } = this.#uses;
    const { sender, type, message_id: id, messages } = content;
    const senderId = typeof sender === 'string' ? parseUserId(sender) : undefined;
    const isSenders = senderId !== undefined && serverOf(senderId) === origin && origin !== serverName;
    if (!isSenders || !isText(type, maxType) || !isText(id, maxMessageId) || !isJsonObject(messages)) {
      log.debug('e2ee.edu_refused', { origin, kind: 'm.direct_to_device' });
      return;
    }
    const texts = Object.entries(messages)
      .slice(0, maxUsers)
      .flatMap(([userId, devices]) => this.#readable(userId, devices));
    if (texts.length === 0) return;
    db.write<void>(() => {
      if (!remoteToDevice.note(interning.server(origin), id, clock.now())) return;
      toDevice.deliver(() => interning.user(senderId), type, texts);
    });
  }

  /** Forgets old message IDs, at most `limit`; returns how many went. */
  forgetMessages(limit: number): number {
    const { db, clock, remoteToDevice } = this.#uses;
    return db.write(() => remoteToDevice.expire(millis(clock.now() - lifetime), limit));
  }

  /** What is for one of our users, and no longer than our own users may send. */
  #readable(userId: string, devices: unknown): UserTexts[] {
    const parsed = parseUserId(userId);
    if (parsed === undefined || serverOf(parsed) !== this.#uses.serverName || !isJsonObject(devices)) return [];
    const texts = Object.entries(devices)
      .slice(0, maxDevices)
      .flatMap(([deviceId, message]) => {
        const text = isJsonObject(message) ? JSON.stringify(message) : undefined;
        return text !== undefined && Buffer.byteLength(text) <= maxContent ? [[deviceId, text] as const] : [];
      });
    return texts.length === 0 ? [] : [[parsed, texts]];
  }
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= max && value.isWellFormed();
}
