import { invalidParam, notFound } from '../protocol/errors.ts';
import type { EventId, RoomId, UserId } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { Database } from '../store/db.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { ReportRow, ReportStore } from '../store/rooms/reports.ts';
import type { Requester } from '../users/login/requester.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { KnownRooms } from './known-rooms.ts';
import type { RoomReading } from './read/reading.ts';

/** A report as the admin reads it. */
export interface Report {
  readonly id: number;
  readonly time: Millis;
  readonly reporter: UserId;
  readonly room: RoomId | undefined;
  readonly event: EventId | undefined;
  /** Who is reported, or has sent the reported event. */
  readonly user: UserId | undefined;
  readonly reason: string;
}

export interface ReportsUses {
  readonly db: Database;
  readonly store: ReportStore;
  readonly interning: Interning;
  readonly clock: Clock;
  readonly rooms: KnownRooms;
  readonly reading: RoomReading;
  /** Whether a user of this server exists. */
  readonly exists: (userId: UserId) => boolean;
  readonly serverName: string;
}

const maxReasonLength = 4096;

/** The newest that are kept, so that nobody fills the disk with them. */
const maxKept = 10_000;

/**
 * What people report to the admin of their server. Reports survive a power cut before they are answered.
 * @see https://spec.matrix.org/v1.19/client-server-api/#reporting-content
 */
export class Reports {
  readonly #uses: ReportsUses;

  constructor(uses: ReportsUses) {
    this.#uses = uses;
  }

  /** 404 M_NOT_FOUND the requester is not in the room, or cannot see such an event in it · 400 M_INVALID_PARAM */
  async reportEvent(requester: Requester, roomId: string, eventId: string, reason: string): Promise<void> {
    const { room, view, row } = this.#uses.reading.visibleEvent(requester, roomId, eventId);
    if (view.membership !== 'join') throw notFound('Event not found');
    await this.#store(requester, { room: room.nid, event: row.nid, reported: row.sender, reason });
  }

  /** 404 M_NOT_FOUND the room is not known here · 400 M_INVALID_PARAM */
  async reportRoom(requester: Requester, roomId: string, reason: string): Promise<void> {
    const room = this.#uses.rooms.get(roomId);
    await this.#store(requester, { room: room.nid, event: null, reported: null, reason });
  }

  /** 404 M_NOT_FOUND the user is not known here · 400 M_INVALID_PARAM */
  async reportUser(requester: Requester, text: string, reason: string): Promise<void> {
    const { interning, exists, serverName } = this.#uses;
    const userId = parseUserId(text);
    if (userId === undefined) throw invalidParam('This is not a user ID');
    const user = interning.findUser(userId);
    if (user === undefined || (serverOf(userId) === serverName && !exists(userId))) {
      throw notFound('This user is not known here');
    }
    await this.#store(requester, { room: null, event: null, reported: user, reason });
  }

  /** The newest first, those with an ID below `before`. */
  list(before: number | undefined, limit: number): Report[] {
    const { store, interning } = this.#uses;
    return store.page(before ?? Number.MAX_SAFE_INTEGER, limit).map((row) => ({
      id: row.nid,
      time: millis(row.ts),
      reporter: interning.userId(row.reporter),
      room: row.room === null ? undefined : interning.roomId(row.room),
      event: row.event === null ? undefined : interning.eventId(row.event),
      user: row.reported === null ? undefined : interning.userId(row.reported),
      reason: row.reason,
    }));
  }

  /** Removes one that is dealt with. False if there is none. */
  remove(id: number): boolean {
    return this.#uses.db.write<boolean>(() => this.#uses.store.remove(id));
  }

  #store(requester: Requester, report: Pick<ReportRow, 'room' | 'event' | 'reported' | 'reason'>): Promise<void> {
    const { db, store, clock } = this.#uses;
    if (report.reason.length > maxReasonLength) {
      throw invalidParam(`reason may have at most ${maxReasonLength} characters`);
    }
    return db.durable<void>(() => {
      const nid = store.insert({ ...report, ts: clock.now(), reporter: requester.user });
      store.removeUpTo(nid - maxKept);
    });
  }
}
