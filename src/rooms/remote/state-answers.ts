import type { AuthGraph } from '../../store/auth/auth-graph.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import { NidSet } from '../../store/nid-set.ts';
import type { EventNid, RoomNid, ServerNid, StateKeyNid, StatePoint, UserNid } from '../../store/nids.ts';
import type { OtherState } from '../../store/state/other-state.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Streams } from '../../streams/streams.ts';
import { isJsonObject } from '../../util/json.ts';
import { AuthChain } from './serve/auth-chain.ts';
import { jsonArray, jsonObject } from './serve/pieces.ts';

export interface StateAnswersUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly authGraph: AuthGraph;
  readonly stateLog: StateLog;
  readonly otherState: OtherState;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
}

/** Events read and written at once: a chunk of the answer, so that no more than that is made before it is taken. */
const pageSize = 16;
/** IDs are short. */
const idPageSize = 1000;
/** As many as a client is told of to name a room after. */
const maxHeroes = 5;

/** An accepted join as its answer is about it. */
export interface AnsweredJoin {
  readonly room: RoomNid;
  readonly event: EventNid;
  /** The user who joined and that user's server. */
  readonly user: UserNid;
  readonly server: ServerNid;
  /** The state before the join. */
  readonly before: StatePoint;
}

/**
 * States and auth chains for other servers, as JSON texts in pieces. Whatever the size of the room, a page of events is
 * all that is in memory at a time, and no read is held from one page to the next: a point of the state log stays what
 * it is.
 */
export class StateAnswers {
  readonly #uses: StateAnswersUses;

  constructor(uses: StateAnswersUses) {
    this.#uses = uses;
  }

  /** `{ pdus, auth_chain }` of a state. */
  state(point: StatePoint): AsyncIterable<string> {
    const chain = this.#chain();
    return jsonObject([
      ['pdus', jsonArray(this.#texts(this.#collecting(this.stateAt(point), chain)))],
      ['auth_chain', jsonArray(this.#texts(this.#rest(chain)))],
    ]);
  }

  /** `{ pdu_ids, auth_chain_ids }` of a state. */
  stateIds(point: StatePoint): AsyncIterable<string> {
    const chain = this.#chain();
    return jsonObject([
      ['pdu_ids', jsonArray(this.#ids(this.#collecting(this.stateAt(point, idPageSize), chain)))],
      ['auth_chain_ids', jsonArray(this.#ids(this.#rest(chain, idPageSize)))],
    ]);
  }

  /** `{ auth_chain }` of an event with these auth events. */
  authChain(authEvents: readonly EventNid[]): AsyncIterable<string> {
    return jsonObject([['auth_chain', jsonArray(this.#texts(this.authChainOf(authEvents)))]]);
  }

  /** The answer to a join: `joined`, its members that are known at once, then state and auth chain. */
  join(
    join: AnsweredJoin,
    joined: { readonly origin: string; readonly event: string },
    omitMembers: boolean,
  ): AsyncIterable<string> {
    const chain = this.#chain();
    chain.addAuthEventsOf([join.event]);
    const kept = omitMembers ? this.#heroes(join) : undefined;
    // What stands under `state` need not be repeated in the auth chain for who asked for the shorter answer.
    const given = omitMembers ? new NidSet<EventNid>() : undefined;
    const shown = kept === undefined ? this.stateAt(join.before) : this.#otherAt(join, kept);
    const state = this.#collecting(shown, chain, given);
    return jsonObject([
      ['origin', JSON.stringify(joined.origin)],
      ['members_omitted', JSON.stringify(omitMembers)],
      ...(omitMembers ? [['servers_in_room', jsonArray(this.#servers(join))] as const] : []),
      ['event', joined.event],
      ['state', jsonArray(this.#texts(state))],
      ['auth_chain', jsonArray(this.#texts(this.#rest(chain, pageSize, given)))],
    ]);
  }

  /** The events of a state, in pages. */
  *stateAt(point: StatePoint, size = pageSize): Generator<EventNid[]> {
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page: readonly (readonly [StateKeyNid, EventNid])[] = this.#uses.stateLog.pageAt(point, after, size);
      if (page.length > 0) yield page.map(([, event]) => event);
      const last = page.at(-1);
      if (last === undefined || page.length < size) return;
      after = last[0];
    }
  }

  /** These events and their auth chains, in pages. */
  *authChainOf(events: readonly EventNid[]): Generator<EventNid[]> {
    const chain = this.#chain();
    chain.add(events);
    yield* this.#rest(chain);
  }

  #chain(): AuthChain {
    return new AuthChain(this.#uses.authGraph);
  }

  /** Passes pages on and adds their auth events to a chain. */
  *#collecting(pages: Iterable<EventNid[]>, chain: AuthChain, given?: NidSet<EventNid>): Generator<EventNid[]> {
    for (const page of pages) {
      chain.addAuthEventsOf(page);
      if (given !== undefined) for (const event of page) given.add(event);
      yield page;
    }
  }

  /** What is left of a chain, but for `given`. */
  *#rest(chain: AuthChain, size = pageSize, given?: NidSet<EventNid>): Generator<EventNid[]> {
    let page = chain.next(size);
    while (page.length > 0) {
      yield given === undefined ? page : page.filter((event) => !given.has(event));
      page = chain.next(size);
    }
  }

  /** The state before the join without member events but `kept`, in pages. */
  *#otherAt({ room, before }: AnsweredJoin, kept: ReadonlySet<EventNid>): Generator<EventNid[]> {
    if (kept.size > 0) yield [...kept];
    for (const page of this.#uses.otherState.at(room, before, pageSize)) yield page.map(([, event]) => event);
  }

  *#texts(pages: Iterable<readonly EventNid[]>): Generator<string[]> {
    for (const page of pages) yield [...this.#uses.events.canonicals(page).values()];
  }

  *#ids(pages: Iterable<readonly EventNid[]>): Generator<string[]> {
    for (const page of pages) yield this.#uses.interning.passingEventIds(page).map((id) => JSON.stringify(id));
  }

  /** The servers in the room, without the one that has just come in. */
  *#servers({ room, server }: AnsweredJoin): Generator<string[]> {
    const { roomState, interning, streams } = this.#uses;
    const isNew = roomState.servers.joined(room, server) <= 1;
    const now = streams.now();
    let after: ServerNid | 0 = 0;
    while (true) {
      const page: readonly ServerNid[] = roomState.servers.at(room, now, after, idPageSize);
      const shown = page.filter((nid) => !(isNew && nid === server));
      yield shown.map((nid) => JSON.stringify(interning.serverName(nid)));
      const last = page.at(-1);
      if (last === undefined || page.length < idPageSize) return;
      after = last;
    }
  }

  /** The member events after which the joining user will see a room without a name called. */
  #heroes({ room, user, before }: AnsweredJoin): ReadonlySet<EventNid> {
    const { stateLog, interning, roomState } = this.#uses;
    if (this.#isNamed(before)) return new Set();
    const others = (codes: readonly (1 | 2 | 4 | 5)[]) =>
      codes.flatMap((code) => roomState.firstUsers(room, code)).filter((other) => other !== user);
    const present = others([memberships.join, memberships.invite]);
    const heroes = present.length > 0 ? present : others([memberships.leave, memberships.ban]);
    const kept = new Set<EventNid>();
    for (const hero of heroes.slice(0, maxHeroes)) {
      const key = interning.findStateKey('m.room.member', interning.userId(hero));
      const event = key === undefined ? undefined : stateLog.at(before, key);
      if (event !== undefined) kept.add(event);
    }
    return kept;
  }

  #isNamed(point: StatePoint): boolean {
    const { name, canonicalAlias } = wellKnown.stateKeys;
    return this.#says(point, name, 'name') || this.#says(point, canonicalAlias, 'alias');
  }

  #says(point: StatePoint, key: StateKeyNid, field: string): boolean {
    const event = this.#uses.stateLog.at(point, key);
    const content = event === undefined ? undefined : this.#uses.events.bare(event)['content'];
    const value = isJsonObject(content) ? content[field] : undefined;
    return typeof value === 'string' && value !== '';
  }
}
