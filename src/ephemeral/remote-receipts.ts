import { isEventId } from '../protocol/ids/event-id.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { KnownRoom } from '../rooms/known-rooms.ts';
import type { Database } from '../store/db.ts';
import {
  mainThread,
  type ReceiptRow,
  type ReceiptStore,
  receiptKinds,
  unthreaded,
} from '../store/ephemeral/receipts.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { UserNid } from '../store/nids.ts';
import type { Streams } from '../streams/streams.ts';
import type { Clock } from '../util/clock.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';
import { type EventOrderStores, isAfter } from './event-order.ts';
import { joinedUser, openRoom, type RemoteUsersUses } from './remote-users.ts';

export interface RemoteReceiptsUses extends RemoteUsersUses, EventOrderStores {
  readonly db: Database;
  readonly receipts: ReceiptStore;
  readonly streams: Streams;
  readonly clock: Clock;
}

/** Receipts taken from one EDU, a room counting as one more, also where it is none of ours. */
const mostReceipts = 500;

/**
 * Read receipts of users of other servers. As with our own, none moves backwards; one for an event that is not here is
 * ignored, as its place is unknown.
 * @see https://spec.matrix.org/v1.19/server-server-api/#receipts
 */
export class RemoteReceipts {
  readonly #uses: RemoteReceiptsUses;

  constructor(uses: RemoteReceiptsUses) {
    this.#uses = uses;
  }

  take(origin: ServerName, content: JsonObject): void {
    let left = mostReceipts;
    this.#uses.db.write<void>(() => {
      for (const [roomId, kinds] of Object.entries(content)) {
        if (left-- <= 0) return;
        const room = openRoom(this.#uses, origin, roomId);
        const read = isJsonObject(kinds) ? kinds['m.read'] : undefined;
        if (room === undefined || !isJsonObject(read)) continue;
        for (const [userId, receipt] of Object.entries(read)) {
          if (left-- <= 0) return;
          const user = joinedUser(this.#uses, origin, room, userId);
          if (user !== undefined && isJsonObject(receipt)) this.#put(room, user, receipt);
        }
      }
    });
  }

  #put(room: KnownRoom, user: UserNid, { event_ids: ids, data }: JsonObject): void {
    const { receipts, streams, clock } = this.#uses;
    const row = this.#event(room, Array.isArray(ids) ? ids[0] : undefined);
    const { ts, thread_id: threadId } = isJsonObject(data) ? data : {};
    const thread = this.#thread(room, threadId);
    if (row === undefined || thread === undefined) return;
    const before = receipts.find(room.nid, user, 'm.read', thread);
    if (before !== undefined && !isAfter(this.#uses, row, before)) return;
    const at = typeof ts === 'number' && Number.isSafeInteger(ts) ? ts : clock.now();
    receipts.put(room.nid, {
      user,
      kind: receiptKinds['m.read'],
      thread,
      event: row.nid,
      ts: at,
      pos: streams.next(),
    });
    streams.touchRoom(room.nid);
  }

  #event({ nid: room }: KnownRoom, id: JsonValue | undefined): EventRow | undefined {
    const { interning, events } = this.#uses;
    const nid = typeof id === 'string' && isEventId(id) ? interning.findEvent(id) : undefined;
    const row = nid === undefined ? undefined : events.row(nid);
    return row?.room === room && row.segment !== null ? row : undefined;
  }

  #thread(room: KnownRoom, threadId: JsonValue | undefined): ReceiptRow['thread'] | undefined {
    if (threadId === undefined) return unthreaded;
    return threadId === 'main' ? mainThread : this.#event(room, threadId)?.nid;
  }
}
