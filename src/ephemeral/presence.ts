import { forbidden, invalidParam, notFound } from '../protocol/errors.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { Database } from '../store/db.ts';
import type { RemoteListStore } from '../store/e2ee/remote-lists.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Streams } from '../streams/streams.ts';
import type { Requester } from '../users/login/requester.ts';
import { millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';

export const presenceStates = ['online', 'unavailable', 'offline'] as const;
export type PresenceState = (typeof presenceStates)[number];

/** A client that syncs comes back at once; a gap this long after its call was to end means that it is gone. */
const grace = 60_000;
/** A client may say that its call lasts longer; none does. */
const longestCall = 5 * 60_000;

/** People remembered, some 300 bytes each: more than a small server has accounts. Beyond it somebody is just not seen. */
const maxPeople = 2000;
/** Users of other servers among them: the last of whom something was heard. */
const maxRemote = 1000;

/** Other servers say again what holds within half an hour; what is not said again for longer holds no more. */
const remoteLasts = 60 * 60_000;
/** Rooms whose members are told of a change of a user of another server. */
const maxSharedRooms = 200;

const maxStatusLength = 1000;

interface Person {
  /** Of another server. */
  readonly remote: boolean;
  state: PresenceState;
  status: string | undefined;
  /** Wall clock. */
  lastActive: number;
  /** Monotonic: until then the person is not offline. */
  until: number;
  pos: StreamPos;
}

export interface PresenceUses {
  readonly enabled: boolean;
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly remoteLists: RemoteListStore;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly serverName: ServerName;
  /** Whether a user of this server exists. */
  readonly exists: (userId: UserId) => boolean;
}

/**
 * Who is online. In memory only and bounded, as nothing of it matters after a restart; a change costs one look-up of
 * the person's rooms, and a /sync without changes none. Switched off, nobody's presence is kept or told.
 * @see https://spec.matrix.org/v1.19/client-server-api/#presence
 */
export class Presence implements EventObserver {
  readonly follows = { live: 'all' } as const;
  readonly #uses: PresenceUses;
  /** Ordered by `pos`: whoever changes moves to the end. */
  readonly #people = new Map<UserNid, Person>();
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;

  constructor(uses: PresenceUses) {
    this.#uses = uses;
  }

  /** 403 M_FORBIDDEN another user · 400 M_INVALID_PARAM a status too long */
  set(requester: Requester, userId: string, state: PresenceState, status: string | undefined): void {
    if (userId !== requester.userId) throw forbidden("Another user's presence cannot be set");
    if ((status?.length ?? 0) > maxStatusLength) {
      throw invalidParam(`status_msg may have at most ${maxStatusLength} characters`);
    }
    if (this.#uses.enabled) this.#put(requester.user, state, status, grace);
  }

  /** The user syncs, and waits for `timeout` milliseconds at most; what was said of the status stays. */
  seen({ user }: Requester, state: PresenceState, timeout: number): void {
    if (!this.#uses.enabled || state === 'offline') return;
    this.#put(user, state, this.#people.get(user)?.status, Math.min(timeout, longestCall) + grace);
  }

  /** What another server says of its user; ignored unless we share a room with them. */
  takeRemote(
    userId: UserId,
    told: { readonly state: PresenceState; readonly status: string | undefined; readonly lastActiveAgo: number },
  ): void {
    const { enabled, interning, clock } = this.#uses;
    const user = interning.findUser(userId);
    if (!enabled || user === undefined || (told.status?.length ?? 0) > maxStatusLength) return;
    if (this.#remoteRooms(user).length === 0) return;
    this.#put(user, told.state, told.status, remoteLasts, true);
    const person = this.#people.get(user);
    if (person !== undefined) person.lastActive = clock.now() - Math.max(0, told.lastActiveAgo);
  }

  /** 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN no room in common · 404 M_NOT_FOUND no such user */
  status(requester: Requester, text: string): JsonObject {
    const { interning, exists } = this.#uses;
    const userId = parseUserId(text);
    if (userId === undefined) throw invalidParam('This is not a user ID');
    const user = interning.findUser(userId);
    if (user !== undefined && user !== requester.user && !this.#shareRoom(user, this.#roomsOf(requester.user))) {
      throw forbidden('You have no room in common with this user');
    }
    const isOurs = serverOf(userId) === this.#uses.serverName;
    if (user === undefined || (isOurs && !exists(userId))) throw notFound('There is no presence of this user here');
    const person = this.#people.get(user);
    return person === undefined ? { presence: 'offline' } : this.#content(person);
  }

  /** Whether anybody's presence changed in (after, upTo]. */
  hasNews(after: StreamPos, upTo: StreamPos): boolean {
    for (const { pos } of this.#people.values()) if (pos > after && pos <= upTo) return true;
    return false;
  }

  /**
   * `m.presence` events of those who share a room with the user: of who changed in (after, upTo], or with `all` of
   * everybody who is not offline.
   */
  events(
    user: UserNid,
    after: StreamPos,
    upTo: StreamPos,
    all: boolean,
  ): { sender: UserId; user: UserNid; text: string }[] {
    const news = [...this.#people].filter(
      ([, { pos, state }]) => pos <= upTo && (pos > after || (all && state !== 'offline')),
    );
    if (news.length === 0) return [];
    const rooms = this.#roomsOf(user);
    return news
      .filter(([other]) => other === user || this.#shareRoom(other, rooms))
      .map(([other, person]) => {
        const sender = this.#uses.interning.userId(other);
        const event = { type: 'm.presence', sender, content: this.#content(person) };
        return { sender, user: other, text: JSON.stringify(event) };
      });
  }

  /** Whose presence changed in (after, upTo], with what it is now. */
  changed(after: StreamPos, upTo: StreamPos): { user: UserNid; content: JsonObject }[] {
    return [...this.#people]
      .filter(([, { pos }]) => pos > after && pos <= upTo)
      .map(([user, person]) => ({ user, content: this.#content(person) }));
  }

  /** Whoever says something is active; whoever comes into a room is told of to those who are in it. */
  onEvent({ row, pdu }: CommittedEvent): void {
    const sender = this.#people.get(row.sender);
    if (sender?.state === 'online' && !sender.remote) sender.lastActive = this.#uses.clock.now();
    if (row.membership !== memberships.join || this.#people.size === 0) return;
    const user = this.#uses.interning.findUser(pdu.state_key ?? '');
    const person = user === undefined ? undefined : this.#people.get(user);
    if (user === undefined || person === undefined) return;
    this.#uses.db.afterCommit(() => this.#changed(user, person));
  }

  #put(user: UserNid, state: PresenceState, status: string | undefined, lasts: number, remote = false): void {
    const { clock, streams } = this.#uses;
    const known = this.#people.get(user);
    if (known === undefined && remote) this.#forgetRemote();
    if (known === undefined && !this.#makeRoom()) return;
    const person = known ?? {
      remote,
      state: 'offline',
      status: undefined,
      lastActive: clock.now(),
      until: never,
      pos: streams.now(),
    };
    const news = person.state !== state || person.status !== status;
    person.until = until(person, state, clock.monotonic() + lasts);
    person.state = state;
    person.status = status;
    if (state === 'online') person.lastActive = clock.now();
    if (news) this.#changed(user, person);
    if (state !== 'offline') this.#schedule(person.until);
  }

  #changed(user: UserNid, person: Person): void {
    const { streams } = this.#uses;
    person.pos = streams.next();
    this.#people.delete(user);
    this.#people.set(user, person);
    for (const room of this.#roomsOf(user)) streams.touchRoom(room);
    streams.touchUser(user);
  }

  /** Forgets who has been offline for longest, if there are too many. False if nobody is. */
  #makeRoom(): boolean {
    if (this.#people.size < maxPeople) return true;
    for (const [user, { state }] of this.#people) {
      if (state !== 'offline') continue;
      this.#people.delete(user);
      return true;
    }
    return false;
  }

  /** Forgets the users of other servers of whom nothing was heard for longest, if there are too many. */
  #forgetRemote(): void {
    let remote = 0;
    for (const person of this.#people.values()) if (person.remote) remote++;
    for (const [user, person] of this.#people) {
      if (remote < maxRemote) return;
      if (!person.remote) continue;
      this.#people.delete(user);
      remote--;
    }
  }

  #roomsOf(user: UserNid): Set<RoomNid> {
    const { interning, serverName, roomState } = this.#uses;
    const isOurs = interning.serverName(interning.userServer(user)) === serverName;
    if (!isOurs) return new Set(this.#remoteRooms(user));
    return new Set(roomState.localRooms(user, [memberships.join]).map(({ room }) => room));
  }

  /** Rooms in which a user of another server is with some of ours. */
  #remoteRooms(user: UserNid): RoomNid[] {
    const { interning, serverName, remoteLists } = this.#uses;
    const own = interning.findServer(serverName);
    if (own === undefined) return [];
    return remoteLists.sharedRooms(user, { server: interning.userServer(user), own, limit: maxSharedRooms });
  }

  #shareRoom(user: UserNid, rooms: ReadonlySet<RoomNid>): boolean {
    for (const room of this.#roomsOf(user)) if (rooms.has(room)) return true;
    return false;
  }

  #content({ state, status, lastActive }: Person): JsonObject {
    return {
      presence: state,
      last_active_ago: Math.max(0, this.#uses.clock.now() - lastActive),
      currently_active: state === 'online',
      ...(status === undefined ? {} : { status_msg: status }),
    };
  }

  /** One timer, for the person who is to go offline first. */
  #schedule(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const delay = millis(Math.max(0, Math.ceil(at - this.#uses.clock.monotonic())));
    this.#timer = { at, cancel: this.#uses.clock.after(delay, () => this.#expire()) };
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#uses.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [user, person] of [...this.#people]) {
      if (person.until > now) {
        next = Math.min(next, person.until);
        continue;
      }
      person.state = 'offline';
      person.until = never;
      this.#changed(user, person);
    }
    if (Number.isFinite(next)) this.#schedule(next);
  }
}

/** When somebody who is offline goes offline. */
const never = Number.POSITIVE_INFINITY;

/** Of several devices the one that stays longest counts. */
function until(before: Person, state: PresenceState, end: number): number {
  if (state === 'offline') return never;
  return before.state === 'offline' ? end : Math.max(before.until, end);
}
