import type { EduPage, EduSource } from '../federation/queue/edu-source.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { RemoteToDeviceStore } from '../store/e2ee/remote-to-device.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { ServerNid, StreamPos } from '../store/nids.ts';
import type { Streams } from '../streams/streams.ts';
import type { Requester } from '../users/login/requester.ts';
import { isJsonObject } from '../util/json.ts';
import type { UserTexts } from './messages.ts';

export interface OutgoingToDeviceUses {
  readonly streams: Streams;
  readonly interning: Interning;
  readonly remoteToDevice: RemoteToDeviceStore;
  /** Whether messages to a server are taken at all. */
  readonly mayTalkTo: (server: ServerName) => boolean;
}

/** A unit is closed when it has so much; peers split theirs at about this size, the size of an event. */
const unitSize = 60_000;
/** What may wait for one server: as much as for one device. Then the oldest go, which others can ask for again. */
const maxQueue = 32 * 1024 * 1024;
/** A message is given up when its sender has sent so much after it: a server that is gone for good keeps no more. */
const maxSent = 64 * 1024 * 1024;

/**
 * Messages to devices of other servers' users: kept, in order, until their server has them. Each has an ID by which that
 * server knows one that comes twice.
 * @see https://spec.matrix.org/v1.19/server-server-api/#send-to-device-messaging
 */
export class OutgoingToDevice implements EduSource {
  readonly #uses: OutgoingToDeviceUses;

  constructor(uses: OutgoingToDeviceUses) {
    this.#uses = uses;
  }

  /** Inside a write. */
  append(server: ServerName, sender: Requester, type: string, messages: readonly UserTexts[]): void {
    const { streams, interning, remoteToDevice, mayTalkTo } = this.#uses;
    if (!mayTalkTo(server)) return;
    const nid = interning.server(server);
    for (const unit of units(messages)) {
      const pos = streams.next();
      const head = { sender: sender.userId, type, message_id: `${streams.epoch}_${pos}` };
      const content = `${JSON.stringify(head).slice(0, -1)},"messages":${unit}}`;
      remoteToDevice.append(nid, sender.user, { pos, content }, { maxQueue, maxSent });
    }
  }

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const found = new Set(this.#uses.remoteToDevice.servers(from, to));
    return [...found]
      .filter((server) => server > after)
      .sort((a, b) => a - b)
      .slice(0, limit);
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): EduPage {
    const count = Math.max(0, limit);
    const rows = this.#uses.remoteToDevice.page(server, from, to, count + 1);
    const edus = rows.slice(0, count).map(({ content }) => {
      const value = parseJson(content);
      return { edu_type: 'm.direct_to_device', content: isJsonObject(value) ? value : {} };
    });
    return { edus, upTo: rows.length <= count ? to : (rows[count - 1]?.pos ?? from) };
  }

  delivered(server: ServerNid, upTo: StreamPos): void {
    this.#uses.remoteToDevice.delivered(server, upTo);
  }
}

/** `messages` as JSON objects of about `unitSize`, in order; one message alone may be longer. */
function* units(messages: readonly UserTexts[]): Generator<string> {
  let users: string[] = [];
  let size = 0;
  for (const [userId, devices] of messages) {
    let own: string[] = [];
    const close = () => {
      if (own.length > 0) users.push(`${JSON.stringify(userId)}:{${own.join(',')}}`);
      own = [];
    };
    for (const [deviceId, content] of devices) {
      const text = `${JSON.stringify(deviceId)}:${content}`;
      if (size > 0 && size + text.length > unitSize) {
        close();
        yield `{${users.join(',')}}`;
        users = [];
        size = 0;
      }
      own.push(text);
      size += text.length;
    }
    close();
  }
  if (users.length > 0) yield `{${users.join(',')}}`;
}
