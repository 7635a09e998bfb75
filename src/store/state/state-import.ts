import type { ServerName } from '../../protocol/ids/types.ts';
import { isUserId } from '../../protocol/ids/user-id.ts';
import type { Database } from '../db.ts';
import { Arrivals } from '../e2ee/arrivals.ts';
import { eventFlags } from '../events/flags.ts';
import { type MembershipCode, memberships } from '../events/membership.ts';
import type { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, LineNid, RoomNid, StreamPos, UserNid } from '../nids.ts';
import { Segments } from '../segments.ts';
import { LocalMembers } from './local-members.ts';
import { MemberStore, MembershipTally } from './members.ts';
import { isOther } from './other-key.ts';
import { RoomInfos } from './room-info.ts';
import { RoomServers } from './room-servers.ts';
import type { StateEntry, StateLog } from './state-log.ts';

/** A state on its way into the database. */
export interface RoomImport {
  readonly room: RoomNid;
  readonly line: LineNid;
  /** The position of the state on its line. */
  readonly base: StreamPos;
  /** No event that was stored for it has a lower number. */
  readonly first: EventNid;
  /** What the room's state was before is being removed, or is gone. */
  readonly replaces: boolean;
}

/** What a state adds up to. */
export interface ImportCounts {
  joined: number;
  invited: number;
  knocked: number;
  banned: number;
  servers: number;
  states: number;
}

/** Rows removed in a slice: a few milliseconds. */
const rowsPerSlice = 500;

/**
 * Takes over the state of a room from another server, slice by slice and unseen: the room opens with one last, small
 * write. Until then a room that is new has no row of its own, so that nobody finds it; one that was known before has to
 * be kept out of sight by the caller. Writing methods belong inside a write.
 */
export class StateImports {
  readonly #interning: Interning;
  readonly #log: StateLog;
  readonly #ownServer: ServerName;
  readonly #infos: RoomInfos;
  readonly #members: MemberStore;
  readonly #arrivals: Arrivals;
  readonly #locals: LocalMembers;
  readonly #servers: RoomServers;
  readonly #segments: Segments;
  readonly #all;
  readonly #insert;
  readonly #remove;
  readonly #setReplaces;
  readonly #lower;
  readonly #nextEvent;
  readonly #setCurrent;
  readonly #membershipOf;
  readonly #ownMembers;
  readonly #moveSegment;
  readonly #dropForward;
  readonly #dropMerged;
  readonly #clears;

  constructor(db: Database, interning: Interning, log: StateLog, ownServer: ServerName) {
    this.#interning = interning;
    this.#log = log;
    this.#ownServer = ownServer;
    this.#infos = new RoomInfos(db);
    this.#members = new MemberStore(db);
    this.#arrivals = new Arrivals(db, interning, ownServer);
    this.#locals = new LocalMembers(db);
    this.#servers = new RoomServers(db);
    this.#segments = new Segments(db);
    this.#all = db.prepare<[number], Omit<RoomImport, 'replaces'> & { readonly replaces: 0 | 1 }>(
      'SELECT room, line, base, first, replaces FROM room_import WHERE room > ? ORDER BY room LIMIT 16',
    );
    this.#insert = db.prepare<[number, number, number, number], never>(
      'INSERT INTO room_import (room, line, base, first) VALUES (?, ?, ?, ?)',
    );
    this.#remove = db.prepare<[number], never>('DELETE FROM room_import WHERE room = ?');
    this.#setReplaces = db.prepare<[number], never>('UPDATE room_import SET replaces = 1 WHERE room = ?');
    this.#lower = db.prepare<[number, number, number], never>(
      'UPDATE room_import SET first = ? WHERE room = ? AND first > ?',
    );
    this.#nextEvent = db.prepare<[], { nid: EventNid | null }>('SELECT max(nid) AS nid FROM event_id');
    this.#setCurrent = db.prepare<[number, number, number, number, 1 | null], never>(
      'INSERT INTO current_state (room, key, event, pos, other) VALUES (?, ?, ?, ?, ?)',
    );
    this.#membershipOf = db.prepare<[number], { membership: MembershipCode | null }>(
      'SELECT membership FROM event WHERE nid = ?',
    );
    this.#ownMembers = db.prepare<[number, number], { user: UserNid; membership: MembershipCode; event: EventNid }>(
      'SELECT member.user, member.membership, member.event FROM member CROSS JOIN user ON user.nid = member.user' +
        ' WHERE member.room = ? AND user.server = ?',
    );
    this.#moveSegment = db.prepare<[number, number], never>('UPDATE room_info SET segment = ? WHERE room = ?');
    this.#dropForward = db.prepare<[number], never>('DELETE FROM forward_extremity WHERE room = ?');
    this.#dropMerged = db.prepare<[number], never>('DELETE FROM merged_point WHERE room = ?');
    this.#clears = clearsOf(db);
  }

  /** Begins to take a state over; it will hold from `base` on. Before the first event is stored for it. */
  begin(room: RoomNid, base: StreamPos): RoomImport {
    const line = this.#log.createLine(room, 'main');
    const first = ((this.#nextEvent.get()?.nid ?? 0) + 1) as EventNid;
    this.#insert.run(room, line, base, first);
    return { room, line, base, first, replaces: false };
  }

  /** An event is stored for the room whose ID was known before. */
  stored(room: RoomNid, event: EventNid): void {
    this.#lower.run(event, room, event);
  }

  find(room: RoomNid): RoomImport | undefined {
    const [found] = this.#all.all(room - 1);
    return found?.room === room ? { ...found, replaces: found.replaces === 1 } : undefined;
  }

  /** Those that have neither been opened nor removed. */
  *pending(): Generator<RoomImport> {
    let after = 0;
    while (true) {
      const page = this.#all.all(after);
      for (const row of page) yield { ...row, replaces: row.replaces === 1 };
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.room;
    }
  }

  /**
   * What the room's state was before ends here: it is to be removed by `clearSome`. From now on the import ends with a
   * new state or with none.
   */
  replace(begun: RoomImport): RoomImport {
    this.#setReplaces.run(begun.room);
    this.#servers.endAll(begun.room, begun.base);
    return { ...begun, replaces: true };
  }

  /** Removes a slice of what is current state and members of the room by now. True: there is more. */
  clearSome({ room }: RoomImport): boolean {
    const removed = this.#clears.current.run(room, room, rowsPerSlice).changes;
    const members = this.#clears.member.run(room, room, rowsPerSlice).changes;
    return removed === rowsPerSlice || members === rowsPerSlice;
  }

  /** Adds a slice of the state: each key once. The event rows exist. */
  add({ room, line, base }: RoomImport, entries: readonly StateEntry[], counts: ImportCounts): void {
    this.#log.append(line, base, entries);
    const tally = new MembershipTally();
    for (const [key, event] of entries) {
      this.#setCurrent.run(room, key, event, base, isOther(this.#interning, key));
      const { typeNid, skey } = this.#interning.stateKeyOf(key);
      if (typeNid !== wellKnown.types.member || !isUserId(skey)) continue;
      const membership = this.#membershipOf.get(event)?.membership ?? undefined;
      if (membership === undefined) continue;
      const user = this.#interning.user(skey);
      this.#members.set(room, { user, membership, event, pos: base });
      const server = this.#interning.userServer(user);
      tally.count(membership, server, 1);
      const isRemote = server !== this.#interning.server(this.#ownServer);
      if (isRemote && membership === memberships.join) this.#arrivals.came(room, user, base, false);
    }
    for (const [server, by] of tally.servers()) counts.servers += this.#servers.change(room, server, by, base);
    counts.joined += tally.joined;
    counts.invited += tally.invited;
    counts.knocked += tally.knocked;
    counts.banned += tally.banned;
    counts.states += entries.length;
  }

  /** Servers that are in the room by the word of another one, as their members are not known yet. */
  addTold({ room, base }: RoomImport, names: readonly ServerName[], counts: ImportCounts): void {
    for (const name of names) {
      if (name !== this.#ownServer) counts.servers += this.#servers.tell(room, this.#interning.server(name), base);
    }
  }

  /**
   * The state is complete: the room is there from `pos` on, with a segment of its own, without ends. What our users are
   * in it is what the state says; answers those for whom that is news. The caller goes on in the same write and gives
   * the room an end.
   */
  open({ room, line, base }: RoomImport, version: string, pos: StreamPos, counts: ImportCounts): UserNid[] {
    const segment = this.#segments.open(room, pos);
    this.#log.setMainLine(room, base, line);
    if (this.#infos.get(room) === undefined) {
      this.#infos.insert(room, version, line, segment, pos);
    } else {
      this.#infos.reset(room, line);
      this.#moveSegment.run(segment, room);
    }
    this.#infos.add(room, counts);
    this.#dropForward.run(room);
    this.#dropMerged.run(room);
    this.#remove.run(room);
    return this.#tellLocals(room, pos);
  }

  #tellLocals(room: RoomNid, pos: StreamPos): UserNid[] {
    const changed: UserNid[] = [];
    const before = new Map(this.#locals.inRoom(room).map((local) => [local.user, local]));
    for (const { user, membership, event } of this.#ownMembers.all(room, this.#interning.server(this.#ownServer))) {
      const local = before.get(user);
      before.delete(user);
      if (local?.event === event && local.membership === membership) continue;
      this.#locals.set({ user, room, membership, event, pos });
      changed.push(user);
    }
    for (const { user, membership, event } of before.values()) {
      if (membership === memberships.leave || membership === memberships.ban) continue;
      this.#locals.set({ user, room, membership: memberships.leave, event, pos });
      changed.push(user);
    }
    return changed;
  }

  /**
   * Takes away a slice of what an interrupted import has written of the state, so that it can begin anew with the
   * events that are stored already. True: there is more.
   */
  clearWritten(left: RoomImport): boolean {
    const { room, line, base, replaces } = left;
    if ((replaces || this.#infos.get(room) === undefined) && this.clearSome(left)) return true;
    if (this.#clears.changes.run(line, line, rowsPerSlice).changes === rowsPerSlice) return true;
    this.#clears.servers.run(room, base);
    return false;
  }

  /**
   * Removes a slice of an import that has failed: what it has written of the state, its line, and the events stored
   * for it. A room that was known before keeps those, and has no state any more if the import was to replace it.
   * `cursor` is what the call before answered; `undefined`: all is gone.
   */
  removeSome(failed: RoomImport, cursor: EventNid | 0): EventNid | undefined {
    const { room, line, first, replaces } = failed;
    const known = this.#infos.get(room) !== undefined;
    if (this.clearWritten(failed)) return cursor as EventNid;
    const from = Math.max(cursor, first - 1);
    const upTo = from + rowsPerSlice;
    if (!known) {
      this.#removeEvents(room, from, upTo);
      if (upTo < (this.#nextEvent.get()?.nid ?? 0)) return upTo as EventNid;
    }
    if (known && replaces) this.#forgetState(failed);
    else this.#clears.line.run(line);
    this.#remove.run(room);
    return undefined;
  }

  /** The room's events in a range of numbers, but for those that our users' invites and knocks are. */
  #removeEvents(room: RoomNid, after: number, upTo: number): void {
    const kept = new Set(this.#locals.inRoom(room).map(({ event }) => event));
    for (const { nid } of this.#clears.events.all(after, upTo, room)) {
      const { whole, judged } = this.#clears.ofEvent;
      // Without what authorises it nothing is known of it again, but that it is there.
      for (const statement of kept.has(nid) ? judged : whole) statement.run(nid);
    }
  }

  #forgetState({ room, line, base }: RoomImport): void {
    this.#infos.reset(room, line);
    this.#log.setMainLine(room, base, line);
    this.#locals.endAll(room, base);
    this.#dropForward.run(room);
    this.#dropMerged.run(room);
  }
}

/** Statements that remove. */
function clearsOf(db: Database) {
  const inGraph = ['DELETE FROM auth_node WHERE event = ?', 'DELETE FROM auth_child WHERE parent = ?'];
  const event = [
    'DELETE FROM event WHERE nid = ?',
    'DELETE FROM event_raw WHERE nid = ?',
    'DELETE FROM event_body WHERE nid = ?',
    'DELETE FROM event_edge WHERE child = ?',
  ];
  const prepare = (texts: readonly string[]) => texts.map((sql) => db.prepare<[number], never>(sql));
  return {
    current: db.prepare<[number, number, number], never>(
      'DELETE FROM current_state WHERE room = ? AND key IN' +
        ' (SELECT key FROM current_state WHERE room = ? ORDER BY key LIMIT ?)',
    ),
    member: db.prepare<[number, number, number], never>(
      'DELETE FROM member WHERE room = ? AND user IN (SELECT user FROM member WHERE room = ? ORDER BY user LIMIT ?)',
    ),
    changes: db.prepare<[number, number, number], never>(
      'DELETE FROM state_change WHERE line = ? AND key IN' +
        ' (SELECT key FROM state_change WHERE line = ? ORDER BY key LIMIT ?)',
    ),
    line: db.prepare<[number], never>('DELETE FROM line WHERE nid = ?'),
    servers: db.prepare<[number, number], never>('DELETE FROM room_server WHERE room = ? AND from_pos = ?'),
    events: db.prepare<[number, number, number], { nid: EventNid }>(
      'SELECT nid FROM event WHERE nid > ? AND nid <= ? AND room = ?',
    ),
    ofEvent: {
      whole: prepare([...event, ...inGraph]),
      judged: prepare([`UPDATE event SET flags = flags | ${eventFlags.REJECTED} WHERE nid = ?`, ...inGraph]),
    },
  };
}
