import { invalidParam } from '../protocol/errors.ts';
import type { ClientEvents } from '../rooms/read/client-events.ts';
import type { Visibility } from '../rooms/read/visibility.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { StreamPos } from '../store/nids.ts';
import type { Notification } from '../store/push/push-actions.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import { streamEnd } from '../store/sync/positions.ts';
import type { Streams } from '../streams/streams.ts';
import { parseToken, syncToken, tokenAge } from '../streams/tokens.ts';
import type { Requester } from '../users/login/requester.ts';
import type { JsonObject } from '../util/json.ts';

export interface NotificationsUses {
  readonly pushCounts: PushCountStore;
  readonly events: EventStore;
  readonly interning: Interning;
  readonly streams: Streams;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
}

export interface NotificationsWish {
  readonly from: string | undefined;
  readonly limit: number | undefined;
  readonly onlyHighlights: boolean;
}

const defaultLimit = 20;
const maxLimit = 100;
/** Notifications that one request looks at, whatever it finds; the client goes on from there. */
const maxLooks = 500;

/** What users were notified of. */
export class Notifications {
  readonly #uses: NotificationsUses;

  constructor(uses: NotificationsUses) {
    this.#uses = uses;
  }

  /** One page, newest first. 400 M_INVALID_PARAM for a token that is none. */
  page(requester: Requester, { from, limit, onlyHighlights }: NotificationsWish): JsonObject {
    const wanted = Math.min(maxLimit, Math.max(1, limit ?? defaultLimit));
    const looks = onlyHighlights ? maxLooks : wanted;
    const found = this.#uses.pushCounts.notificationsBefore(requester.user, this.#start(from), looks);
    const notifications: JsonObject[] = [];
    let last: StreamPos | undefined;
    for (const notification of found) {
      if (notifications.length >= wanted) break;
      last = notification.pos;
      if (onlyHighlights && !notification.highlight) continue;
      const shown = this.#show(requester, notification);
      if (shown !== undefined) notifications.push(shown);
    }
    const isWhole = found.length < looks && last === found.at(-1)?.pos;
    if (isWhole || last === undefined) return { notifications };
    return { notifications, next_token: syncToken(this.#uses.streams.epoch, last) };
  }

  /** The position that the page ends before; positions of before a restore mean nothing any more. */
  #start(from: string | undefined): StreamPos {
    if (from === undefined) return streamEnd;
    const token = parseToken(from);
    if (token?.kind !== 'sync') throw invalidParam('from is not a token of this server');
    return tokenAge(token, this.#uses.streams.epoch) === 'current' ? token.pos : streamEnd;
  }

  #show(requester: Requester, { room, event, actions, read }: Notification): JsonObject | undefined {
    const { events, interning, visibility, clientEvents } = this.#uses;
    const row = events.row(event);
    if (row === undefined) return undefined;
    const view = visibility.view(room, requester.user);
    if (!view.mayRead(row)) return undefined;
    return {
      actions: [...actions],
      event: clientEvents.event(row, { view, device: requester.device, withRoomId: false }),
      read,
      room_id: interning.roomId(room),
      ts: row.ts,
    };
  }
}
