import type { DeviceListStretch, DeviceLists } from '../devices/device-lists.ts';
import type { ToDevice } from '../devices/to-device.ts';
import type { DeviceKeys } from '../e2ee/device-keys.ts';
import type { OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { DeviceNid, StreamPos, UserNid } from '../store/nids.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { Turn } from './turn.ts';

export interface DeviceSectionsUses {
  readonly interning: Interning;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly lists: DeviceLists;
  readonly toDevice: ToDevice;
  readonly keys: DeviceKeys;
}

/** What one answer says of devices. */
export interface DeviceNews {
  readonly isEmpty: boolean;
  /** Where the messages in it end, if more of them wait. */
  readonly toDeviceUpTo: StreamPos | undefined;
  /** JSON members, to stand behind another one. */
  readonly pieces: Iterable<string>;
}

const nothing: DeviceNews = { isEmpty: true, toDeviceUpTo: undefined, pieces: [] };

/** Writes `to_device`, `device_lists` and the counts of keys. */
export class DeviceSections {
  readonly #uses: DeviceSectionsUses;

  constructor(uses: DeviceSectionsUses) {
    this.#uses = uses;
  }

  /** The client has all messages up to here. */
  acknowledge(device: DeviceNid, upTo: StreamPos): void {
    this.#uses.toDevice.acknowledge(device, upTo);
  }

  /** Reads what is new; `rooms` are the user's rooms in which something happened. */
  news(turn: Turn, rooms: readonly LocalMember[]): DeviceNews {
    const { lists, toDevice, oneTimeKeys } = this.#uses;
    const delivery = toDevice.next(turn.device, turn.toDevice, turn.now);
    const { changed, left } = turn.initial ? noChanges : lists.news(turn, rooms);
    const isCounted = (oneTimeKeys.counts(turn.device)?.pos ?? 0) > turn.from;
    if (delivery.messages.length + changed.size + left.size === 0 && !isCounted) return nothing;
    const texts = delivery.messages.map(({ sender, type, content }) => {
      const from = JSON.stringify(this.#uses.interning.userId(sender));
      return `{"type":${JSON.stringify(type)},"sender":${from},"content":${content}}`;
    });
    return {
      isEmpty: false,
      toDeviceUpTo: delivery.upTo,
      pieces: this.#pieces(texts, changed, left),
    };
  }

  /** The changes of device lists alone, over any stretch. */
  changes(stretch: DeviceListStretch): { changed: string[]; left: string[] } {
    const { lists, interning } = this.#uses;
    const { changed, left } = lists.newsBetween(stretch);
    const idsOf = (users: ReadonlySet<UserNid>) => [...users].map((user) => interning.userId(user));
    return { changed: idsOf(changed), left: idsOf(left) };
  }

  /** What every answer says. */
  counts(device: DeviceNid): string {
    return this.#uses.keys.countsText(device);
  }

  *#pieces(messages: readonly string[], changed: ReadonlySet<UserNid>, left: ReadonlySet<UserNid>): Generator<string> {
    if (messages.length > 0) yield `,"to_device":{"events":[${messages.join(',')}]}`;
    if (changed.size + left.size === 0) return;
    yield ',"device_lists":{"changed":[';
    yield* this.#users(changed);
    yield '],"left":[';
    yield* this.#users(left);
    yield ']}';
  }

  *#users(users: ReadonlySet<UserNid>): Generator<string> {
    let separator = '';
    for (const user of users) {
      yield separator + JSON.stringify(this.#uses.interning.userId(user));
      separator = ',';
    }
  }
}

const noChanges = { changed: new Set<UserNid>(), left: new Set<UserNid>() };
