import { canonicalJson } from '../../protocol/canonical-json.ts';
import { redact } from '../../protocol/events/redact.ts';
import { canonicalForm } from '../../protocol/events/texts.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { type MembershipCode, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, ServerNid, StateKeyNid, StatePoint, UserNid } from '../../store/nids.ts';
import type { HistoryStateStore } from '../../store/rooms/history-state.ts';
import { ConflictTooLarge } from '../../store/state/conflict-bounds.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { type HistoryVisibility, historyVisibilityOf } from '../read/history-visibility.ts';

export interface ServerVisibilityUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly historyState: HistoryStateStore;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
  readonly isErased: (user: UserNid) => boolean;
}

/**
 * Users of a server whose invites are looked up in the past. A server that has had to do with a room through more than
 * these, and had nobody joined when the event was sent, has to do without the content of what only invited users see.
 */
const maxInvitesProbed = 64;
/**
 * Changes on forks that are looked through for one request, some hundred milliseconds' work: a server may tell of states
 * that have nothing in common with ours. What is farther off is kept back.
 */
const mostForkChanges = 20_000;

/** What other servers may see of a room's history. That a server may ask at all is decided elsewhere. */
export class ServerVisibility {
  readonly #uses: ServerVisibilityUses;

  constructor(uses: ServerVisibilityUses) {
    this.#uses = uses;
  }

  /** What one server may see of one room. Made for one request: it holds what it has looked up. */
  forServer(room: KnownRoom, server: ServerName): ServerView {
    return new ServerView(this.#uses, room, server);
  }
}

/**
 * A server sees what at least one of its users could have seen at the time, or may see because of a `shared` or
 * `world_readable` history: which of its users may, it decides itself. The rest it gets redacted, so that the graph of
 * events stays whole.
 */
export class ServerView {
  readonly #uses: ServerVisibilityUses;
  readonly #room: KnownRoom;
  readonly #server: ServerName;
  readonly #nid: ServerNid | undefined;
  #lastVisibility: { readonly event: EventNid; readonly value: HistoryVisibility } | undefined;
  #memberKeys: readonly StateKeyNid[] | undefined;
  #forkChangesLeft = mostForkChanges;
  #lastOnFork: { readonly point: StatePoint; readonly value: boolean } | undefined;

  constructor(uses: ServerVisibilityUses, room: KnownRoom, server: ServerName) {
    this.#uses = uses;
    this.#room = room;
    this.#server = server;
    this.#nid = uses.interning.findServer(server);
  }

  /** Whether the server may see the event with its content. */
  mayRead(row: EventRow): boolean {
    if (this.#isOwn(row)) return true;
    const before = pointBefore(row);
    const erased = this.#uses.isErased(row.sender);
    if (before === undefined) return !erased && this.#mayReadWithoutState(row);
    const visibilities = [this.#visibilityAt(before)];
    // An event that changes the visibility counts with both.
    if (row.stateKey === wellKnown.stateKeys.historyVisibility) visibilities.push(this.#visibilityOf(row.nid));
    const open = visibilities.some((one) => one === 'world_readable' || one === 'shared');
    if (open && !erased) return true;
    if (this.#wasJoined(before)) return true;
    return visibilities.includes('invited') && !erased && this.#wasInvited(before);
  }

  /**
   * Of what came by backfill only the visibility is known, and of an outlier nothing. State is what servers in a room
   * hand each other anyhow; all else is kept back if in doubt.
   */
  #mayReadWithoutState({ stateKey, segment, idx }: EventRow): boolean {
    if (stateKey !== null) return true;
    if (segment === null || idx === null) return false;
    const event = this.#uses.historyState.before({ segment, idx }, wellKnown.stateKeys.historyVisibility);
    if (event === undefined || event === null) return false;
    const visibility = event === 0 ? 'shared' : this.#visibilityOf(event);
    return visibility === 'shared' || visibility === 'world_readable';
  }

  /** The canonical JSON of events of the room as the server may see them; what does not exist is left out. */
  texts(rows: readonly EventRow[]): string[] {
    const texts = this.#uses.events.canonicals(rows.map(({ nid }) => nid));
    return rows.flatMap((row) => {
      const text = texts.get(row.nid);
      if (text === undefined) return [];
      return [this.mayRead(row) ? text : this.#redacted(row.nid)];
    });
  }

  #redacted(nid: EventNid): string {
    const { rules } = this.#room;
    return canonicalJson(redact(this.#uses.events.exact(nid), rules), canonicalForm(rules));
  }

  /** Sent by a user of the server, or about the membership of one. */
  #isOwn({ sender, stateKey, membership }: EventRow): boolean {
    const { interning } = this.#uses;
    if (interning.userServer(sender) === this.#nid) return true;
    if (stateKey === null || membership === null) return false;
    const { skey } = interning.stateKeyOf(stateKey);
    return isUserId(skey) && serverOf(skey) === this.#server;
  }

  #visibilityAt(before: StatePoint): HistoryVisibility {
    const event = this.#uses.stateLog.at(before, wellKnown.stateKeys.historyVisibility);
    return event === undefined ? 'shared' : this.#visibilityOf(event);
  }

  #visibilityOf(event: EventNid): HistoryVisibility {
    if (this.#lastVisibility?.event !== event) {
      this.#lastVisibility = { event, value: historyVisibilityOf(this.#uses.authEvents.get(event).content) };
    }
    return this.#lastVisibility.value;
  }

  /**
   * Whether a user of the server was joined at a point: told by the intervals of the main line; what a fork says about
   * users of the server counts before that, and nobody was on one that says too much.
   */
  #wasJoined(point: StatePoint): boolean {
    const { roomState } = this.#uses;
    if (this.#nid === undefined) return false;
    const root = this.#rootOf(point);
    const wasIn = roomState.servers.wasIn(this.#room.nid, this.#nid, root.pos);
    if (root.line === point.line) return wasIn;
    // Messages that follow one another share a state.
    const last = this.#lastOnFork;
    if (last?.point.line === point.line && last.point.pos === point.pos) return last.value;
    const value = this.#wasJoinedOnFork(root, point, wasIn);
    this.#lastOnFork = { point, value };
    return value;
  }

  #wasJoinedOnFork(root: StatePoint, point: StatePoint, wasIn: boolean): boolean {
    const changes = this.#changesSince(root, point);
    if (changes === undefined) return false;
    let hasChanged = false;
    for (const [key, [here]] of changes) {
      if (!this.#isOurMember(key)) continue;
      if (this.#membershipOf(here) === memberships.join) return true;
      hasChanged = true;
    }
    return wasIn && !hasChanged;
  }

  /** `undefined` if they are too many. */
  #changesSince(root: StatePoint, point: StatePoint): Map<StateKeyNid, (EventNid | undefined)[]> | undefined {
    try {
      const changes = this.#uses.stateLog.difference([point, root], this.#forkChangesLeft);
      this.#forkChangesLeft -= changes.size;
      return changes;
    } catch (error) {
      if (!(error instanceof ConflictTooLarge)) throw error;
      this.#forkChangesLeft = 0;
      return undefined;
    }
  }

  /** Where the main line was left for the fork that a point is on. */
  #rootOf(point: StatePoint): StatePoint {
    let step = point;
    for (let line = this.#uses.stateLog.line(step.line); line?.parent !== undefined; ) {
      step = line.parent;
      line = this.#uses.stateLog.line(step.line);
    }
    return step;
  }

  #isOurMember(key: StateKeyNid): boolean {
    const { typeNid, skey } = this.#uses.interning.stateKeyOf(key);
    return typeNid === wellKnown.types.member && isUserId(skey) && serverOf(skey) === this.#server;
  }

  #wasInvited(point: StatePoint): boolean {
    return this.#keys().some((key) => this.#membershipOf(this.#uses.stateLog.at(point, key)) === memberships.invite);
  }

  #keys(): readonly StateKeyNid[] {
    const { interning, roomState } = this.#uses;
    if (this.#nid === undefined) return [];
    this.#memberKeys ??= roomState
      .someMembersOf(this.#room.nid, this.#nid, maxInvitesProbed)
      .map((user) => interning.findStateKey('m.room.member', interning.userId(user)))
      .filter((key) => key !== undefined);
    return this.#memberKeys;
  }

  #membershipOf(event: EventNid | undefined): MembershipCode | null {
    return event === undefined ? null : (this.#uses.events.row(event)?.membership ?? null);
  }
}
