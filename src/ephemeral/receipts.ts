import { forbidden, invalidParam, notFound } from '../protocol/errors.ts';
import { isEventId } from '../protocol/ids/event-id.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import { threadRootOf } from '../rooms/read/threads.ts';
import type { Visibility } from '../rooms/read/visibility.ts';
import type { Database } from '../store/db.ts';
import {
  mainThread,
  type ReceiptKind,
  type ReceiptRow,
  type ReceiptStore,
  receiptKinds,
  unthreaded,
} from '../store/ephemeral/receipts.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import { mainTimeline } from '../store/push/push-actions.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { Segments } from '../store/segments.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import { justBefore } from '../store/sync/positions.ts';
import type { Streams } from '../streams/streams.ts';
import type { AccountData } from '../users/account-data.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Clock } from '../util/clock.ts';
import { beginOf, isAfter } from './event-order.ts';

export interface ReceiptsUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly segments: Segments;
  readonly roomState: RoomStateStore;
  readonly receipts: ReceiptStore;
  readonly pushCounts: PushCountStore;
  readonly accountData: AccountData;
  readonly knownRooms: KnownRooms;
  readonly visibility: Visibility;
}

/** What a user marks as read in one request. */
export interface ReadMarks {
  readonly receipts: readonly { readonly kind: ReceiptKind; readonly eventId: string }[];
  readonly fullyRead?: string | undefined;
  /** Of all the receipts: `main`, a thread root's event ID, or nothing for unthreaded ones. */
  readonly threadId?: string | undefined;
}

/**
 * Read receipts and fully-read markers of local users. Neither ever moves backwards.
 * @see https://spec.matrix.org/v1.19/client-server-api/#receipts
 */
export class Receipts {
  readonly #uses: ReceiptsUses;

  constructor(uses: ReceiptsUses) {
    this.#uses = uses;
  }

  /** 403 M_FORBIDDEN not in the room · 404 M_NOT_FOUND no such event there · 400 M_INVALID_PARAM bad thread. */
  mark(requester: Requester, roomId: string, marks: ReadMarks): void {
    const { db, knownRooms, roomState } = this.#uses;
    const room = knownRooms.getForMember(roomId).nid;
    const { user } = requester;
    if (roomState.localMember(user, room)?.membership !== memberships.join) throw forbidden('You are not in this room');
    const receipts = marks.receipts.map(({ kind, eventId }) => ({ kind, row: this.#event(user, room, eventId) }));
    if (marks.threadId !== undefined) for (const { row } of receipts) this.#checkThread(row, marks.threadId);
    const fullyRead = marks.fullyRead === undefined ? undefined : this.#event(user, room, marks.fullyRead);
    db.write<void>(() => {
      for (const { kind, row } of receipts) this.#put(user, room, kind, row, marks.threadId);
      if (fullyRead !== undefined) this.#moveMarker(user, room, fullyRead);
    });
  }

  #event(user: UserNid, room: RoomNid, eventId: string): EventRow {
    const { interning, events, visibility } = this.#uses;
    const nid = isEventId(eventId) ? interning.findEvent(eventId) : undefined;
    const row = nid === undefined ? undefined : events.row(nid);
    if (row === undefined || row.room !== room || row.segment === null || !visibility.view(room, user).mayRead(row)) {
      throw notFound('There is no such event in this room');
    }
    return row;
  }

  /** The root stands in the main timeline and begins its thread, so a receipt on it may mean either. */
  #checkThread(row: EventRow, threadId: string): void {
    const { events, interning } = this.#uses;
    const root = threadRootOf(this.#uses, row.room, events.bare(row.nid)['content']);
    const isIn = threadId === (root ?? 'main') || threadId === interning.eventId(row.nid);
    if (!isIn) throw invalidParam('The event is not in the thread that thread_id names');
  }

  #put(user: UserNid, room: RoomNid, kind: ReceiptKind, row: EventRow, threadId: string | undefined): void {
    const { receipts, streams, clock, pushCounts } = this.#uses;
    const thread = this.#thread(threadId);
    const before = receipts.find(room, user, kind, thread);
    if (before !== undefined && !isAfter(this.#uses, row, before)) return;
    const pos = streams.next();
    receipts.put(room, { user, kind: receiptKinds[kind], thread, event: row.nid, ts: clock.now(), pos });
    const scope = thread === unthreaded ? 'all' : thread === mainThread ? mainTimeline : thread;
    pushCounts.markRead(user, room, this.#readUpTo(row), scope, pos);
    // A private receipt is nobody else's business, not even that there is one.
    if (kind === 'm.read.private') streams.touchUser(user);
    else streams.touchRoom(room);
  }

  #thread(threadId: string | undefined): ReceiptRow['thread'] {
    if (threadId === undefined) return unthreaded;
    if (threadId === 'main') return mainThread;
    if (!isEventId(threadId)) throw invalidParam('thread_id must be "main" or an event ID');
    const root = this.#uses.interning.findEvent(threadId);
    if (root === undefined) throw invalidParam('thread_id is no event of this room');
    return root;
  }

  #moveMarker(user: UserNid, room: RoomNid, row: EventRow): void {
    const { accountData, interning } = this.#uses;
    const before = accountData.ofRoom(user, room, 'm.fully_read')?.['event_id'];
    const nid = typeof before === 'string' ? interning.findEvent(before) : undefined;
    if (nid !== undefined && !isAfter(this.#uses, row, nid)) return;
    accountData.put(user, room, 'm.fully_read', { event_id: interning.eventId(row.nid) });
  }

  /** The position up to which everything is read: a backfilled event comes before all live ones of its segment. */
  #readUpTo(row: EventRow): StreamPos {
    return row.pos ?? justBefore(beginOf(this.#uses, row.segment as number));
  }
}
