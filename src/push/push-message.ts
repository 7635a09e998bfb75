import type { AuthEvents } from '../rooms/input/auth-events.ts';
import type { CitedMembers } from '../rooms/partial/cited-members.ts';
import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, UserNid } from '../store/nids.ts';
import type { Notification } from '../store/push/push-actions.ts';
import type { Pusher } from '../store/push/pushers.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';

export interface PushMessageUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
  readonly partialState: Pick<PartialState, 'isPartial'>;
  readonly citedMembers: CitedMembers;
}

/** Whom a room without a name is called after. */
const maxNames = 3;

/** Writes what a push gateway is sent. */
export class PushMessages {
  readonly #uses: PushMessageUses;

  constructor(uses: PushMessageUses) {
    this.#uses = uses;
  }

  /** That the unread count has changed, without an event. A count of zero is said too: gateways clear badges by it. */
  badge(pusher: Pusher, unread: number): JsonObject {
    return { counts: { unread }, devices: [device(pusher)] };
  }

  /** An event that notifies. */
  event(pusher: Pusher, row: EventRow, { actions }: Notification, unread: number): JsonObject {
    const { interning, events } = this.#uses;
    const tweaks = tweaksOf(actions);
    const common = {
      event_id: interning.eventId(row.nid),
      room_id: interning.roomId(row.room),
      counts: { unread },
      prio: isUrgent(row, tweaks) ? 'high' : 'low',
    };
    if (dataOf(pusher)['format'] === 'event_id_only') return { ...common, devices: [device(pusher)] };
    const content = events.bare(row.nid)['content'];
    return {
      ...common,
      type: interning.typeName(row.type),
      sender: interning.userId(row.sender),
      ...this.#sender(row),
      ...this.#room(row.room, pusher.user),
      ...this.#membership(row, pusher.user, content),
      ...(content === undefined ? {} : { content }),
      devices: [{ ...device(pusher), tweaks }],
    };
  }

  /** The room and the sender of an event as this user would call them. */
  names(row: EventRow, user: UserNid): { readonly name: string; readonly sender: string } {
    const { interning } = this.#uses;
    const { room, sender } = row;
    const { room_name: name, room_alias: alias } = this.#room(room, user);
    const called = [name, alias].find((value) => typeof value === 'string') ?? interning.roomId(room);
    return {
      name: oneLine(called),
      sender: oneLine(this.#senderName(row) ?? interning.userId(sender)),
    };
  }

  #sender(row: EventRow): JsonObject {
    const name = this.#senderName(row);
    return name === undefined ? {} : { sender_display_name: name };
  }

  /** As long as members are missing, whoever speaks is known by the member event that they cite. */
  #senderName(row: EventRow): string | undefined {
    const { roomState, citedMembers } = this.#uses;
    return this.#nameIn(roomState.member(row.room, row.sender)?.event ?? citedMembers.ofSender(row));
  }

  #room(room: RoomNid, user: UserNid): JsonObject {
    const { name: nameKey, canonicalAlias } = wellKnown.stateKeys;
    const alias = this.#says(room, canonicalAlias, 'alias');
    const name =
      this.#says(room, nameKey, 'name') ?? (alias === undefined ? this.#afterMembers(room, user) : undefined);
    return {
      ...(name === undefined ? {} : { room_name: name }),
      ...(alias === undefined ? {} : { room_alias: alias }),
    };
  }

  #membership(row: EventRow, user: UserNid, content: JsonValue | undefined): JsonObject {
    if (row.type !== wellKnown.types.member || row.stateKey === null) return {};
    const { interning } = this.#uses;
    const membership = isJsonObject(content) ? content['membership'] : undefined;
    return {
      user_is_target: interning.stateKeyOf(row.stateKey).skey === interning.userId(user),
      ...(typeof membership === 'string' ? { membership } : {}),
    };
  }

  #says(room: RoomNid, key: StateKeyNid, field: string): string | undefined {
    const event = this.#uses.roomState.current(room, key);
    const value = event === undefined ? undefined : this.#uses.authEvents.get(event).content[field];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /**
   * What a client would call a room that has neither name nor alias; `undefined` while members are missing.
   * @see https://spec.matrix.org/v1.19/client-server-api/#calculating-the-display-name-for-a-room
   */
  #afterMembers(room: RoomNid, user: UserNid): string | undefined {
    const { roomState, interning, partialState } = this.#uses;
    if (partialState.isPartial(room)) return undefined;
    const others = [memberships.join, memberships.invite]
      .flatMap((membership) => roomState.firstUsers(room, membership))
      .filter((other) => other !== user);
    const names = others.slice(0, maxNames).map((other) => this.#displayName(room, other) ?? interning.userId(other));
    const info = roomState.info(room);
    const more = (info === undefined ? 0 : info.joined + info.invited - 1) - names.length;
    if (names.length === 0) return undefined;
    if (more > 0) return `${names.join(', ')} and ${more} more`;
    return names.length === 1 ? names[0] : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  }

  #displayName(room: RoomNid, user: UserNid): string | undefined {
    return this.#nameIn(this.#uses.roomState.member(room, user)?.event);
  }

  #nameIn(member: EventNid | undefined): string | undefined {
    const name = member === undefined ? undefined : this.#uses.authEvents.get(member).content['displayname'];
    return typeof name === 'string' && name !== '' ? name : undefined;
  }
}

/** Names may be as long as an event, and have lines. */
function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Z}]+/gu, ' ').slice(0, 100);
}

function dataOf({ data }: Pusher): JsonObject {
  return JSON.parse(data) as JsonObject;
}

/** The app on the device, with all that it asked for but the URL. */
function device(pusher: Pusher): JsonObject {
  const { url: _, ...data } = dataOf(pusher);
  return { app_id: pusher.appId, pushkey: pusher.pushkey, pushkey_ts: Math.floor(pusher.updated / 1000), data };
}

function tweaksOf(actions: readonly JsonValue[]): JsonObject {
  const tweaks: JsonObject = {};
  for (const action of actions) {
    if (!isJsonObject(action) || typeof action['set_tweak'] !== 'string') continue;
    // A highlight without a value is one.
    const value = action['value'] ?? (action['set_tweak'] === 'highlight' ? true : undefined);
    if (value !== undefined) tweaks[action['set_tweak']] = value;
  }
  return tweaks;
}

/** Whether the device should be woken: what makes a sound, is meant for the user, or cannot be told from here. */
function isUrgent(row: EventRow, tweaks: JsonObject): boolean {
  if (row.type === wellKnown.types.encrypted) return true;
  return tweaks['highlight'] === true || tweaks['sound'] !== undefined;
}
