import type { Database } from '../db.ts';
import { eventFlags } from '../events/flags.ts';
import type { EventNid, RoomNid, ServerNid, StreamPos } from '../nids.ts';
import type { ServerInterval, ServerRooms } from './server-rooms.ts';

/** An event that other servers are to be told of by us. */
export interface OutgoingEvent {
  readonly pos: StreamPos;
  readonly room: RoomNid;
  readonly event: EventNid;
  /** The sender's server, which knows of it. */
  readonly origin: ServerNid;
}

/** Which events go to which servers. Writing methods belong inside a write. */
export class OutgoingStore {
  readonly #insert;
  readonly #rooms: ServerRooms;
  readonly #newest;
  readonly #address;
  readonly #span;
  readonly #addressed;
  readonly #addressedTo;
  readonly #unaddress;
  readonly #newestOf;
  readonly #at;
  readonly #tips;
  readonly #cut;
  readonly #thin;
  readonly #forget;

  constructor(db: Database, rooms: ServerRooms) {
    this.#rooms = rooms;
    const columns = 'pos, room, event, server AS origin';
    this.#insert = db.prepare<number[], never>('INSERT INTO outgoing (pos, room, event, server) VALUES (?, ?, ?, ?)');
    this.#newest = db.prepare<number[], never>(
      'INSERT OR REPLACE INTO outgoing_room (pos, room, event, server) VALUES (?, ?, ?, ?)',
    );
    this.#address = db.prepare<number[], never>('INSERT INTO addressed_event (server, pos, event) VALUES (?, ?, ?)');
    this.#span = db.rememberStretch<[after: number, upTo: number, limit: number], OutgoingEvent>(
      `SELECT ${columns} FROM outgoing WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?`,
      { keys: 0 },
    );
    this.#addressed = db.prepare<number[], { server: ServerNid; pos: StreamPos }>(
      'SELECT server, pos FROM addressed_event WHERE pos > ? AND pos <= ?',
    );
    this.#addressedTo = db.prepare<number[], { pos: StreamPos; event: EventNid }>(
      'SELECT pos, event FROM addressed_event WHERE server = ? AND pos <= ? ORDER BY pos LIMIT ?',
    );
    this.#unaddress = db.prepare<number[], never>('DELETE FROM addressed_event WHERE server = ? AND pos <= ?');
    this.#newestOf = db.prepare<[number], OutgoingEvent>(`SELECT ${columns} FROM outgoing_room WHERE room = ?`);
    const known = 'SELECT event.pos, event.room, event.nid AS event, user.server AS origin, event.flags FROM';
    this.#at = db.prepare<[number], OutgoingEvent & { flags: number }>(
      `${known} stream_event JOIN event ON event.nid = stream_event.event JOIN user ON user.nid = event.sender` +
        ' WHERE stream_event.pos = ?',
    );
    this.#tips = db.prepare<number[], OutgoingEvent & { flags: number }>(
      `${known} forward_extremity JOIN event ON event.nid = forward_extremity.event` +
        ' JOIN user ON user.nid = event.sender' +
        ' WHERE forward_extremity.room = ? AND event.pos > ? AND event.pos <= ? LIMIT ?',
    );
    this.#cut = db
      .prepare<[number], StreamPos>('SELECT pos FROM outgoing WHERE pos > 0 ORDER BY pos DESC LIMIT 1 OFFSET ?')
      .pluck();
    this.#forget = {
      event: db.prepare<[number], never>('DELETE FROM outgoing WHERE pos = ?'),
      addressed: db.prepare<[number], never>('DELETE FROM addressed_event WHERE pos = ?'),
      newest: db.prepare<[number, number], never>('DELETE FROM outgoing_room WHERE room = ? AND event = ?'),
      // The newest of ours among those before it.
      before: db.prepare<number[], OutgoingEvent>(
        'SELECT event.pos, event.room, event.nid AS event, user.server AS origin FROM room_info' +
          ' CROSS JOIN timeline ON timeline.segment = room_info.segment CROSS JOIN event ON event.nid = timeline.event' +
          ' CROSS JOIN user ON user.nid = event.sender WHERE room_info.room = ? AND timeline.idx < ? AND timeline.idx > ?' +
          ' AND event.pos IS NOT NULL AND (user.server = ? OR (event.flags & ?) <> 0) ORDER BY timeline.idx DESC LIMIT 1',
      ),
    };
    this.#thin = db.prepare<[number, number], never>(
      'DELETE FROM outgoing WHERE pos IN (SELECT pos FROM outgoing WHERE pos <= ? ORDER BY pos LIMIT ?)',
    );
  }

  add({ pos, room, event, origin }: OutgoingEvent): void {
    this.#insert.run(pos, room, event, origin);
    this.#newest.run(pos, room, event, origin);
  }

  /** The event, which is outgoing, concerns a server that is not in its room. */
  address(server: ServerNid, { pos, event }: OutgoingEvent): void {
    this.#address.run(server, pos, event);
  }

  /** An event that is taken out of its room need not be told to anybody any more. Inside its transaction. */
  forget({ pos, room, event }: Pick<OutgoingEvent, 'pos' | 'room' | 'event'>, own: ServerNid): void {
    this.#forget.event.run(pos);
    this.#forget.addressed.run(pos);
    if (this.#forget.newest.run(room, event).changes === 0) return;
    const before = this.#forget.before.get(room, pos, pos - farthestBefore, own, eventFlags.PASSED_ON);
    if (before !== undefined) this.#newest.run(before.pos, room, before.event, before.origin);
  }

  /** Events in (from, to], oldest first. */
  span(from: StreamPos, to: StreamPos, limit: number): readonly OutgoingEvent[] {
    return this.#span.all(from, to, limit);
  }

  /** Which of the events in (from, to] concern servers outside their rooms. */
  addressed(from: StreamPos, to: StreamPos): { server: ServerNid; pos: StreamPos }[] {
    return this.#addressed.all(from, to);
  }

  /** Events up to `to` that concern the server and that it has not had. */
  addressedTo(server: ServerNid, to: StreamPos, limit: number): { pos: StreamPos; event: EventNid }[] {
    return this.#addressedTo.all(server, to, limit);
  }

  /** The server has had those. */
  unaddress(server: ServerNid, upTo: StreamPos): void {
    this.#unaddress.run(server, upTo);
  }

  /**
   * What a server that has been told up to `since` must still hear of a room, of what happened up to `to`: our newest
   * event and those at the room's tip, as far as it was in the room by then; if it was removed, that.
   */
  newestFor(server: ServerNid, own: ServerNid, room: RoomNid, since: StreamPos, to: StreamPos): OutgoingEvent[] {
    const found = new Map<EventNid, OutgoingEvent>();
    const take = (event: OutgoingEvent | undefined, interval: ServerInterval) => {
      if (event === undefined || event.origin === server || event.pos <= since || event.pos > to) return;
      if (event.pos >= interval.from && (interval.to === null || event.pos < interval.to))
        found.set(event.event, event);
    };
    const isOurs = (row: (OutgoingEvent & { flags: number }) | undefined) =>
      row !== undefined && (row.origin === own || (row.flags & eventFlags.PASSED_ON) !== 0) ? row : undefined;
    for (const interval of this.#rooms.intervals(room, server, since, to)) {
      if (interval.to === null) {
        take(this.#newestOf.get(room), interval);
        for (const tip of this.#tips.all(room, since, to, maxTips)) take(isOurs(tip), interval);
      } else take(isOurs(this.#at.get(interval.to - 1)), interval);
    }
    return [...found.values()].sort((a, b) => a.pos - b.pos);
  }

  /** The position of the event behind the newest `count`. */
  behind(count: number): StreamPos | undefined {
    return this.#cut.get(count);
  }

  /** Forgets at most `limit` events up to `pos`; how many it were. */
  thin(pos: StreamPos, limit: number): number {
    return this.#thin.run(pos, limit).changes;
  }
}

/** Positions before an event that is gone among which another one of ours is looked for. */
const farthestBefore = 20_000;

/** Ends of a room looked at: more than an event can cite. */
const maxTips = 20;
