import { tooLarge } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { Database } from '../store/db.ts';
import type { MessageSource, QueuedMessage, ToDeviceStore } from '../store/e2ee/to-device.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { DeviceNid, StreamPos, UserNid } from '../store/nids.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Streams } from '../streams/streams.ts';
import type { Requester } from '../users/login/requester.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import { maxContent, type UserTexts } from './messages.ts';
import type { OutgoingToDevice } from './outgoing-to-device.ts';

export interface ToDeviceUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly interning: Interning;
  readonly devices: DeviceStore;
  readonly toDevice: ToDeviceStore;
  readonly outgoing: OutgoingToDevice;
  readonly serverName: ServerName;
}

/** User ID → device ID (or `*`) → content. */
export type ToDeviceMessages = Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;

/** What one answer hands over. */
export interface Delivery {
  readonly messages: readonly QueuedMessage[];
  /** Where the answer ends, if more is waiting. */
  readonly upTo: StreamPos | undefined;
}

/**
 * Of a device that does not sync, about 20,000 room keys; then the oldest go, which others can ask for again: those of
 * whoever has sent most, so that nobody drives out what others have sent.
 */
const maxQueue = 32 * 1024 * 1024;
/** How much one answer hands over at most. */
const maxMessages = 200;
const maxText = 512 * 1024;
/** How long a transaction ID is remembered: far longer than any client tries again. */
const transactionLifetime = 3 * 24 * 60 * 60 * 1000;

/**
 * Messages straight to devices: kept, in order, until the device says by its token that it has them.
 * @see https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
 */
export class ToDevice {
  readonly #uses: ToDeviceUses;

  constructor(uses: ToDeviceUses) {
    this.#uses = uses;
  }

  /**
   * Resolves when all messages are safe, those to users of other servers too. Devices that do not exist get nothing; a
   * transaction ID that the device has used for this type does nothing. 413 M_TOO_LARGE.
   */
  send(sender: Requester, type: string, txnId: string, messages: ToDeviceMessages): Promise<void> {
    const texts = Object.entries(messages).map(
      ([userId, devices]): UserTexts => [
        userId,
        Object.entries(devices).map(([id, content]) => [id, contentText(content)] as const),
      ],
    );
    const { db, toDevice, clock, outgoing, serverName } = this.#uses;
    const byServer = Map.groupBy(texts, ([userId]) => serverOfUser(userId));
    return db.durable<void>(() => {
      const txn = JSON.stringify([type, txnId]);
      if (toDevice.hasTxn(sender.device, txn)) return;
      toDevice.insertTxn(sender.device, txn, clock.now());
      for (const [server, users] of byServer) {
        if (server === serverName) this.deliver(() => sender.user, type, users);
        else if (server !== undefined) outgoing.append(server, sender, type, users);
      }
    });
  }

  /** Inside a write: hands messages to devices of our own users. The sender is asked for only if there are any. */
  deliver(sender: () => UserNid, type: string, messages: readonly UserTexts[]): void {
    const { interning, toDevice, streams } = this.#uses;
    const pos = streams.next();
    let from: { readonly sender: UserNid; readonly source: MessageSource } | undefined;
    for (const [userId, devices] of messages) {
      const user = interning.findUser(userId);
      if (user === undefined) continue;
      const recipients = this.#recipients(user, new Map(devices));
      if (recipients.size === 0) continue;
      from ??= this.#from(sender());
      for (const [device, content] of recipients) toDevice.append(device, pos, { ...from, type, content }, maxQueue);
      streams.touchUser(user);
    }
  }

  /** The next messages after a position; later ones are left for the next answer when there are many. */
  next(device: DeviceNid, after: StreamPos, upTo: StreamPos): Delivery {
    const messages: QueuedMessage[] = [];
    let size = 0;
    // Row by row: a page of the longest messages would take many times what is handed over.
    for (const message of this.#uses.toDevice.page(device, after, upTo, maxMessages + 1)) {
      size += message.content.length;
      if (messages.length === maxMessages || (messages.length > 0 && size > maxText)) {
        return { messages, upTo: messages.at(-1)?.pos };
      }
      messages.push(message);
    }
    return { messages, upTo: undefined };
  }

  /** The device has everything up to here. */
  acknowledge(device: DeviceNid, upTo: StreamPos): void {
    const { db, toDevice } = this.#uses;
    const first = toDevice.first(device);
    if (first !== undefined && first <= upTo) db.write<void>(() => toDevice.acknowledge(device, upTo));
  }

  /** Forgets old transaction IDs, at most `limit`; returns how many went. */
  forgetTransactions(limit: number): number {
    const { db, toDevice, clock } = this.#uses;
    const before: Millis = millis(clock.now() - transactionLifetime);
    return db.write(() => toDevice.expireTxns(before, limit));
  }

  #from(sender: UserNid): { readonly sender: UserNid; readonly source: MessageSource } {
    const { interning, serverName } = this.#uses;
    const server = interning.userServer(sender);
    return { sender, source: server === interning.findServer(serverName) ? sender : { server } };
  }

  /** `*` stands for all devices that are not named. */
  #recipients(user: UserNid, wanted: ReadonlyMap<string, string>): Map<DeviceNid, string> {
    const { devices } = this.#uses;
    const found = new Map<DeviceNid, string>();
    const forAll = wanted.get('*');
    if (forAll !== undefined) for (const { nid } of devices.list(user)) found.set(nid, forAll);
    for (const [deviceId, content] of wanted) {
      const row = deviceId === '*' ? undefined : devices.find(user, deviceId);
      if (row !== undefined) found.set(row.nid, content);
    }
    return found;
  }
}

function serverOfUser(text: string): ServerName | undefined {
  const userId = parseUserId(text);
  return userId === undefined ? undefined : serverOf(userId);
}

function contentText(content: JsonObject): string {
  const text = JSON.stringify(content);
  if (Buffer.byteLength(text) > maxContent)
    throw tooLarge(`A message to a device may have at most ${maxContent} bytes`);
  return text;
}
