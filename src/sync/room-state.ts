import type { CitedMembers } from '../rooms/partial/cited-members.ts';
import type { ClientEvents, EventAudience } from '../rooms/read/client-events.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, LineNid, StateKeyNid, StatePoint, StreamPos, UserNid } from '../store/nids.ts';
import type { OtherState } from '../store/state/other-state.ts';
import type { RoomInfo } from '../store/state/room-info.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateChange, StateEntry, StateLog } from '../store/state/state-log.ts';
import type { MemberMemory } from './member-memory.ts';
import type { TimelineBatch } from './room-timeline.ts';
import type { Turn } from './turn.ts';

/** Entries read at a time: so few are garbage before the collector takes them for old. */
const pageSize = 32;

export interface StateUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly otherState: OtherState;
  readonly clientEvents: ClientEvents;
  readonly memory: MemberMemory;
  readonly citedMembers: CitedMembers;
}

/** What the state section of one room is made from. */
export interface StateScope {
  readonly info: RoomInfo;
  readonly audience: EventAudience;
  readonly batch: TimelineBatch;
  /** Newest change of each key in (from, upTo]; `undefined`: the whole state is wanted. */
  readonly delta: readonly StateChange[] | undefined;
  readonly from: StreamPos;
  readonly upTo: StreamPos;
  /** Users whose member events are wanted besides those of the timeline's senders. */
  readonly people: readonly UserNid[];
}

/**
 * The state sections of /sync. `state_after` is the state at the end of the timeline; `state` is what turns into it
 * when the timeline's own state events are applied in order: the state at its start, and the final value of what
 * changed without being shown there.
 */
export class RoomStates {
  readonly #uses: StateUses;

  constructor(uses: StateUses) {
    this.#uses = uses;
  }

  /** The events of the section, as JSON texts. */
  *texts(turn: Turn, scope: StateScope): Generator<string> {
    const filter = turn.filter.room.state;
    const { interning, events, clientEvents } = this.#uses;
    if (filter.nothing || !filter.rooms.allows(interning.roomId(scope.info.room))) return;
    for (const page of pages(this.#nids(turn, scope))) {
      if (scope.delta === undefined) {
        // A whole state is for one reader at one time; what changes is for all who are in the room.
        for (const event of events.passing(page)) {
          if (filter.passesAll || filter.matches(event)) yield clientEvents.passing(event, scope.audience);
        }
        continue;
      }
      for (const row of events.rows(page)) {
        if (filter.passesAll || filter.matches(clientEvents.filterable(row)))
          yield clientEvents.text(row, scope.audience);
      }
    }
  }

  *#nids(turn: Turn, scope: StateScope): Generator<EventNid> {
    const lazy = turn.filter.room.state.lazyLoadMembers;
    const shown = turn.stateAfter ? noKeys : keysOf(scope.batch);
    const people = lazy ? this.#people(turn, scope, shown) : [];
    if (scope.delta === undefined) yield* this.#whole(turn, scope, shown, lazy);
    const told = new Set<EventNid>();
    for (const nid of this.#changed(turn, scope, scope.delta ?? [], shown)) {
      told.add(nid);
      yield nid;
    }
    for (const nid of people) if (!told.has(nid)) yield nid;
  }

  *#whole(turn: Turn, scope: StateScope, shown: ReadonlySet<StateKeyNid>, lazy: boolean): Generator<EventNid> {
    const { line, room } = scope.info;
    const at = { line, pos: turn.stateAfter ? scope.upTo : scope.batch.start };
    // What changed after the start and is not shown has to be said with its final value at once.
    const hidden = turn.stateAfter ? noChanges : this.#hidden(line, scope, shown);
    const pages = lazy ? this.#uses.otherState.at(room, at, pageSize) : this.#wholeState(at);
    for (const page of pages) for (const [key, event] of page) if (!hidden.has(key)) yield event;
    for (const [key, event] of hidden) if (event !== 0 && !(lazy && this.#isMember(key))) yield event;
  }

  *#changed(
    turn: Turn,
    scope: StateScope,
    delta: readonly StateChange[],
    shown: ReadonlySet<StateKeyNid>,
  ): Generator<EventNid> {
    let atStart: ReadonlyMap<StateKeyNid, EventNid | 0> | undefined;
    for (const [key, final] of delta) {
      let event: EventNid | 0 | undefined = final;
      if (!turn.stateAfter && shown.has(key)) {
        atStart ??=
          scope.batch.start <= scope.from
            ? noChanges
            : new Map(this.#uses.stateLog.changesBetween(scope.info.line, scope.from, scope.batch.start));
        event = atStart.get(key);
      }
      if (event !== undefined && event !== 0) yield event;
    }
  }

  #hidden(
    line: LineNid,
    { batch, upTo }: StateScope,
    shown: ReadonlySet<StateKeyNid>,
  ): ReadonlyMap<StateKeyNid, EventNid | 0> {
    if (batch.start >= upTo) return noChanges;
    const later = this.#uses.stateLog.changesBetween(line, batch.start, upTo);
    return new Map(later.filter(([key]) => !shown.has(key)));
  }

  *#wholeState(at: StatePoint): Generator<readonly StateEntry[]> {
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page = this.#uses.stateLog.pageAt(at, after, pageSize);
      yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      after = last[0];
    }
  }

  /** The member events that lazy loading wants: of senders and named people, as far as the device may not have them. */
  #people(turn: Turn, scope: StateScope, shown: ReadonlySet<StateKeyNid>): EventNid[] {
    const { memory, interning, citedMembers } = this.#uses;
    const { room } = scope.info;
    const always = scope.delta === undefined || turn.filter.room.state.includeRedundantMembers;
    const wanted = new Map<UserNid, EventRow | undefined>(scope.people.map((user) => [user, undefined]));
    for (const row of scope.batch.events) wanted.set(row.sender, row);
    const found: EventNid[] = [];
    for (const [user, said] of wanted) {
      if (!always && memory.knows(turn.device, room, user, turn.since)) continue;
      const key = interning.findStateKey('m.room.member', interning.userId(user));
      const isShown = key !== undefined && shown.has(key);
      const member = this.#memberAt(scope, user, key, isShown ? scope.batch.start : scope.upTo);
      const event = member ?? (isShown || said === undefined ? undefined : citedMembers.ofSender(said));
      if (event !== undefined) found.push(event);
      // Who is not known yet, but may be before long, is looked for again.
      if (event !== undefined || isShown) memory.tell(turn.device, room, user, turn.now);
    }
    return found;
  }

  #memberAt({ info }: StateScope, user: UserNid, key: StateKeyNid | undefined, pos: StreamPos): EventNid | undefined {
    const { roomState, stateLog } = this.#uses;
    const member = roomState.member(info.room, user);
    if (member !== undefined && member.pos <= pos) return member.event;
    return key === undefined ? undefined : stateLog.at({ line: info.line, pos }, key);
  }

  #isMember(key: StateKeyNid): boolean {
    return this.#uses.interning.stateKeyOf(key).typeNid === wellKnown.types.member;
  }
}

const noKeys: ReadonlySet<StateKeyNid> = new Set();
const noChanges: ReadonlyMap<StateKeyNid, EventNid | 0> = new Map();

function keysOf(batch: TimelineBatch): Set<StateKeyNid> {
  const keys = new Set<StateKeyNid>();
  for (const row of batch.events) if (row.stateKey !== null) keys.add(row.stateKey);
  return keys;
}

function* pages<T>(items: Iterable<T>): Generator<T[]> {
  let page: T[] = [];
  for (const item of items) {
    page.push(item);
    if (page.length < pageSize) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
