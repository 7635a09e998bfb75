import type { ServerName } from '../../protocol/ids/types.ts';
import { isUserId } from '../../protocol/ids/user-id.ts';
import type { Database } from '../db.ts';
import { Arrivals } from '../e2ee/arrivals.ts';
import { type MembershipCode, memberships } from '../events/membership.ts';
import type { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, LineNid, RoomNid, ServerNid, StateKeyNid, StatePoint, StreamPos, UserNid } from '../nids.ts';
import { Segments } from '../segments.ts';
import { type LocalMember, LocalMembers } from './local-members.ts';
import { type Member, type MemberFilter, MemberStore, MembershipTally, type Paging } from './members.ts';
import { isOther } from './other-key.ts';
import { type RoomInfo, RoomInfos } from './room-info.ts';
import { RoomServers } from './room-servers.ts';
import type { StateChange, StateEntry, StateLog } from './state-log.ts';

/** A change of the current state; 0 takes the key away. */
export interface CurrentChange {
  readonly key: StateKeyNid;
  readonly event: EventNid | 0;
}

/**
 * The current state of rooms and all that is derived from it: members, our own users' rooms, servers, counts. One call
 * changes them all, in the caller's write, so that they never disagree.
 */
export class RoomStateStore {
  readonly #interning: Interning;
  readonly #log: StateLog;
  readonly #ownServer: ServerName;
  readonly #infos: RoomInfos;
  readonly #members: MemberStore;
  readonly #locals: LocalMembers;
  readonly #segments: Segments;
  readonly #arrivals: Arrivals;
  readonly servers: RoomServers;
  readonly #current;
  readonly #currentPage;
  readonly #setCurrent;
  readonly #removeCurrent;
  readonly #clearCurrent;
  readonly #membershipOf;

  constructor(db: Database, interning: Interning, log: StateLog, ownServer: ServerName) {
    this.#interning = interning;
    this.#log = log;
    this.#ownServer = ownServer;
    this.#infos = new RoomInfos(db);
    this.#members = new MemberStore(db);
    this.#locals = new LocalMembers(db);
    this.#segments = new Segments(db);
    this.#arrivals = new Arrivals(db, interning, ownServer);
    this.servers = new RoomServers(db);
    this.#current = db.remember<[number, number], { event: EventNid }>(
      'SELECT event FROM current_state WHERE room = ? AND key = ?',
    );
    this.#currentPage = db.prepare<[number, number, number], { key: StateKeyNid; event: EventNid; pos: StreamPos }>(
      'SELECT key, event, pos FROM current_state WHERE room = ? AND key > ? ORDER BY key LIMIT ?',
    );
    this.#setCurrent = db.prepare<[number, number, number, number, 1 | null], never>(
      'INSERT INTO current_state (room, key, event, pos, other) VALUES (?, ?, ?, ?, ?)' +
        ' ON CONFLICT (room, key) DO UPDATE SET event = excluded.event, pos = excluded.pos',
    );
    this.#removeCurrent = db.prepare<[number, number], never>('DELETE FROM current_state WHERE room = ? AND key = ?');
    this.#clearCurrent = db.prepare<[number], never>('DELETE FROM current_state WHERE room = ?');
    this.#membershipOf = db.prepare<[number], { membership: MembershipCode | null }>(
      'SELECT membership FROM event WHERE nid = ?',
    );
  }

  /** Opens a room that we have never had state of: its main line and its first segment. */
  createRoom(room: RoomNid, version: string, pos: StreamPos): { line: LineNid; segment: number } {
    const line = this.#log.createLine(room, 'main');
    const segment = this.#segments.open(room, pos);
    this.#log.setMainLine(room, pos, line);
    this.#infos.insert(room, version, line, segment, pos);
    return { line, segment };
  }

  /**
   * Begins a new main line after a time away. It has no parent: what happened meanwhile is unknown, and old members
   * must not come back by inheritance. The current state is empty until the caller fills it.
   */
  reopenRoom(room: RoomNid, pos: StreamPos): LineNid {
    const line = this.#log.createLine(room, 'main');
    this.#log.setMainLine(room, pos, line);
    this.#clearCurrent.run(room);
    this.#members.removeAll(room);
    this.#locals.endAll(room, pos);
    this.servers.endAll(room, pos);
    this.#infos.reset(room, line);
    return line;
  }

  info(room: RoomNid): RoomInfo | undefined {
    return this.#infos.get(room);
  }

  /** Lists the room in the public directory, or takes it out. */
  publish(room: RoomNid, published: boolean): void {
    this.#infos.publish(room, published);
  }

  /**
   * Changes the current state at `pos`: main line, current state, members, counts, servers and our users' rooms. The
   * event rows exist already. Answers what really changed.
   */
  applyCurrent(room: RoomNid, pos: StreamPos, changes: readonly CurrentChange[]): CurrentChange[] {
    const applied = changes.filter(({ key, event }) => (this.current(room, key) ?? 0) !== event);
    if (applied.length === 0) return applied;
    const line = this.#lineOf(room);
    this.#log.append(
      line,
      pos,
      applied.map(({ key, event }): StateChange => [key, event]),
    );
    this.#derive(room, pos, pos, applied);
    return applied;
  }

  /**
   * Fills in what was missing when the room was joined with an incomplete state: each entry goes to the base of the
   * main line unless the base has the key, and to the current state where nothing was said since. The counts change at
   * `pos`, which is now. Call it with slices of the state. Answers what the current state gained.
   */
  fillIn(room: RoomNid, base: StreamPos, pos: StreamPos, entries: readonly StateEntry[]): CurrentChange[] {
    const line = this.#lineOf(room);
    this.#log.insertAtBase(line, base, entries);
    const gained: CurrentChange[] = [];
    for (const [key, event] of entries) {
      if (this.current(room, key) === undefined && this.#log.at({ line, pos }, key) === event) {
        gained.push({ key, event });
      }
    }
    this.#derive(room, base, pos, gained);
    return gained;
  }

  /**
   * All members are known: servers that were only said to be in the room are not in it from `pos` on, whoever was said to
   * be is. There are few of them, if nobody lies.
   */
  endTold(room: RoomNid, pos: StreamPos): void {
    const told = this.servers.told(room, 0, Number.MAX_SAFE_INTEGER);
    for (const server of told) {
      if (server.joined > 0) this.servers.settleTold(room, server);
      else this.servers.endTold(room, server, pos);
    }
    const servers = -told.filter(({ joined }) => joined === 0).length;
    this.#infos.add(room, { joined: 0, invited: 0, knocked: 0, banned: 0, servers, states: 0 });
  }

  /** The current state as a point: the newest of the main line. */
  tip(room: RoomNid): StatePoint {
    return this.#log.normalise({ line: this.#lineOf(room), pos: Number.MAX_SAFE_INTEGER as StreamPos });
  }

  #lineOf(room: RoomNid): LineNid {
    const info = this.#infos.get(room);
    if (info === undefined) throw new Error(`room ${room} has no state here`);
    return info.line;
  }

  /** Everything but the log. `since` is when the entries take effect, `pos` when servers begin or cease to listen. */
  #derive(room: RoomNid, since: StreamPos, pos: StreamPos, changes: readonly CurrentChange[]): void {
    const tally = new MembershipTally();
    let states = 0;
    for (const { key, event } of changes) {
      const had = this.current(room, key) !== undefined;
      if (event === 0) this.#removeCurrent.run(room, key);
      else this.#setCurrent.run(room, key, event, since, isOther(this.#interning, key));
      states += Number(event !== 0) - Number(had);
      this.#deriveMember(room, { since, now: pos }, key, event, tally);
    }
    let servers = 0;
    for (const [server, by] of tally.servers()) servers += this.servers.change(room, server, by, pos);
    const { joined, invited, knocked, banned } = tally;
    this.#infos.add(room, { joined, invited, knocked, banned, servers, states });
  }

  #deriveMember(
    room: RoomNid,
    { since: pos, now }: { readonly since: StreamPos; readonly now: StreamPos },
    key: StateKeyNid,
    event: EventNid | 0,
    tally: MembershipTally,
  ): void {
    const { typeNid, skey } = this.#interning.stateKeyOf(key);
    // Older room versions let an invite name what is no user ID: such an entry is state, but nobody's membership.
    if (typeNid !== wellKnown.types.member || !isUserId(skey)) return;
    const user = this.#interning.user(skey);
    const server = this.#interning.userServer(user);
    const before = this.#members.get(room, user);
    tally.count(before?.membership, server, -1);
    const membership = event === 0 ? undefined : (this.#membershipOf.get(event)?.membership ?? undefined);
    tally.count(membership, server, 1);
    if (event === 0 || membership === undefined) this.#members.remove(room, user);
    else this.#members.set(room, { user, membership, event, pos });
    if (server === this.#interning.server(this.#ownServer))
      this.#deriveLocal(room, now, user, event, membership, before);
    else if (membership === memberships.join && before?.membership !== memberships.join)
      this.#arrivals.came(room, user, now, before !== undefined);
  }

  /** A local user whose entry vanished from the state (by resolution) has left as far as clients can tell. */
  #deriveLocal(
    room: RoomNid,
    pos: StreamPos,
    user: UserNid,
    event: EventNid | 0,
    membership: MembershipCode | undefined,
    before: Member | undefined,
  ): void {
    if (event !== 0 && membership !== undefined) this.#locals.set({ user, room, membership, event, pos });
    else if (before !== undefined) {
      this.#locals.set({ user, room, membership: memberships.leave, event: before.event, pos });
    }
  }

  /** The event under a key of the current state. */
  current(room: RoomNid, key: StateKeyNid): EventNid | undefined {
    return this.#current.get(room, key)?.event;
  }

  /** One page of the current state by key, each entry with the position since which it holds. */
  currentPage(
    room: RoomNid,
    afterKey: StateKeyNid | 0,
    limit: number,
  ): { key: StateKeyNid; event: EventNid; pos: StreamPos }[] {
    return this.#currentPage.all(room, afterKey, limit);
  }

  /** The current state, entry by entry, read in pages. Not to be held across an `await`. */
  *currentAll(room: RoomNid): Generator<StateEntry> {
    const size = 256;
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page = this.currentPage(room, after, size);
      for (const { key, event } of page) yield [key, event];
      const last = page.at(-1);
      if (last === undefined || page.length < size) return;
      after = last.key;
    }
  }

  member(room: RoomNid, user: UserNid): Member | undefined {
    return this.#members.get(room, user);
  }

  /** One page of the members by user. */
  members(room: RoomNid, filter: MemberFilter, paging: Paging): Member[] {
    return this.#members.page(room, filter, paging);
  }

  /** One page of the joined members by user. */
  joinedMembers(room: RoomNid, paging: Paging): Member[] {
    return this.#members.page(room, { membership: memberships.join }, paging);
  }

  /** Up to six users of one membership: enough to name a room after five others. */
  firstUsers(room: RoomNid, membership: MembershipCode): UserNid[] {
    return this.#members.firstUsers(room, membership);
  }

  /** At most `limit` users of a server who have or had to do with the room. */
  someMembersOf(room: RoomNid, server: ServerNid, limit: number): UserNid[] {
    return this.#members.someOf(room, server, limit);
  }

  /** Our users who are joined. */
  localJoined(room: RoomNid): UserNid[] {
    return this.#locals.joined(room);
  }

  /** Whether one of our users is joined, so that what is stored of the room is kept up to date. */
  hasLocalJoined(room: RoomNid): boolean {
    const own = this.#interning.findServer(this.#ownServer);
    return own !== undefined && this.servers.joined(room, own) > 0;
  }

  /** Whether a user of the server is invited. */
  hasInvited(room: RoomNid, server: ServerNid): boolean {
    return this.#members.hasInvited(room, server);
  }

  /** Our users who have or had to do with the room. */
  localsIn(room: RoomNid): LocalMember[] {
    return this.#locals.inRoom(room);
  }

  /** The rooms where a local user's membership is one of these. */
  localRooms(user: UserNid, wanted: readonly MembershipCode[]): LocalMember[] {
    return this.#locals.rooms(user, wanted);
  }

  /** A local user's memberships that began in (from, to], oldest first. */
  localChanges(user: UserNid, from: StreamPos, to: StreamPos): LocalMember[] {
    return this.#locals.changed(user, from, to);
  }

  localMember(user: UserNid, room: RoomNid): LocalMember | undefined {
    return this.#locals.get(user, room);
  }

  /** Records a membership of a local user in a room whose state is not here, such as an invite from elsewhere. */
  setLocalMember(member: Omit<LocalMember, 'forgotten'>, stripped?: string): void {
    this.#locals.set(member, stripped);
  }

  /** The stripped state that came with an invite or a knock, a JSON array. */
  stripped(user: UserNid, room: RoomNid): string | undefined {
    return this.#locals.stripped(user, room);
  }

  /** False unless the user has left or is banned. */
  forget(user: UserNid, room: RoomNid): boolean {
    return this.#locals.forget(user, room);
  }
}
