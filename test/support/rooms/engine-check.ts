import assert from 'node:assert/strict';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { checkAuth } from '../../../src/protocol/event-auth/check.ts';
import { authTypesFor } from '../../../src/protocol/event-auth/selection.ts';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { type ResolvedRoom, StateEngine } from '../../../src/rooms/state/state-engine.ts';
import type { EventRow } from '../../../src/store/events/event-row.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import { membershipCode } from '../../../src/store/events/membership.ts';
import type { EventNid, StateKeyNid, StatePoint, StreamPos } from '../../../src/store/nids.ts';
import type { Seeded } from '../seeded.ts';
import type { TestStore } from '../store.ts';
import { authEventOf, goodSignatures } from './auth-event.ts';
import { keyOf, type NaiveState, naiveResolve } from './naive-state-resolution.ts';
import { RandomDrafts } from './random-drafts.ts';

interface Draft {
  readonly type: string;
  readonly stateKey?: string;
  readonly sender: string;
  readonly content: AuthEvent['content'];
}

type Fate = 'accepted' | 'rejected' | 'soft-failed';

/**
 * Grows a room at random in a database and, by whole states in memory, beside it: forks, merges, messages, rejected
 * and soft-failed events, stale auth events; rejoins with a state that is incomplete at first, and that is filled in at
 * the base below what happened since. Events after a rejoin may cite some of before. After each event it holds the states before and after it and the current
 * state against each other.
 */
export class EngineCheck {
  readonly #store: TestStore;
  readonly #random: Seeded;
  readonly #rules: RoomVersionRules;
  readonly #drafts: RandomDrafts;
  readonly #engine: StateEngine;
  readonly #room: ResolvedRoom;
  readonly #roomId: string;
  readonly #events = new Map<string, AuthEvent<string>>();
  readonly #after = new Map<string, NaiveState>();
  /** Everything that a new event might cite: accepted events, and soft-failed ones that other servers build upon. */
  readonly #citable: string[] = [];
  #ends: string[] = [];
  #createId = '';
  /** Since the last rejoin: the events, the place of the first citable one, and the entries that are still to come. */
  #stretch: string[] = [];
  #stretchBegins = 0;
  #missing: readonly AuthEvent<string>[] = [];
  #base = 0 as StreamPos;
  #fillers = 0;
  rejoins = 0;
  /** Entries filled in, and how many of them below a later row. */
  filled = 0;
  filledBelow = 0;

  /** Inside a write, like everything here. */
  constructor(store: TestStore, random: Seeded, version: string, label: number) {
    const rules = roomVersionRules(version);
    if (rules === undefined) throw new Error(`no room version ${version}`);
    this.#store = store;
    this.#random = random;
    this.#rules = rules;
    this.#drafts = new RandomDrafts(rules, random);
    this.#roomId = `!r${label}:s0`;
    this.#room = { nid: store.stores.interning.room(this.#roomId), rules };
    this.#engine = new StateEngine({
      ...store.stores,
      streams: store.streams,
      authEvents: { get: (nid) => this.#authEvent(nid) },
      signatures: { isSignedBy: () => true, verify: () => true },
    });
    this.#begin();
  }

  run(events: number): void {
    for (let tries = 0; this.#events.size < events && tries < events * 8; tries++) this.#step();
  }

  #begin(): void {
    const { stores, streams } = this.#store;
    stores.roomState.createRoom(this.#room.nid, this.#rules.version, streams.next());
    const create = this.#event(this.#drafts.create(), [], []);
    this.#createId = create.id;
    const { roomState } = stores;
    this.#commit(create, new Map(), roomState.tip(this.#room.nid), 'accepted');
    for (const draft of this.#drafts.beginning()) this.#try(draft, [...this.#ends], false);
  }

  #step(): void {
    if (this.#missing.length === 0 && this.#random.chance(0.04)) return this.#rejoin();
    if (this.#missing.length > 0 && this.#random.chance(0.2)) return this.#fillIn();
    const prev = this.#pickPrev();
    const state = this.#naiveBefore(prev);
    const draft: Draft = this.#random.chance(0.2)
      ? { type: 'm.room.message', sender: '@a:s0', content: { body: 'hello' } }
      : this.#drafts.next((type, stateKey) => this.#lookup(state, type, stateKey));
    this.#try(draft, prev, this.#random.chance(0.1));
  }

  /** Mostly all ends of the graph or one of them, sometimes what lies behind. */
  #pickPrev(): string[] {
    const spread = this.#random.fraction();
    if (spread < 0.35) return [...this.#ends];
    if (spread < 0.7) return [this.#random.pick(this.#ends)];
    // What was resolved while entries were missing would have to be resolved again if it involved the time before.
    const from = this.#missing.length > 0 ? this.#stretchBegins : 0;
    const recent = this.#citable.slice(Math.max(from, this.#citable.length - 12));
    return this.#random.shuffle(recent).slice(0, 1 + this.#random.below(3));
  }

  /** All of ours were away. Somebody's next message is where we come back, with the state before it in part. */
  #rejoin(): void {
    const { roomState, timeline, extremities } = this.#store.stores;
    const from = this.#random.pick(this.#citable.slice(-12));
    const state = new Map(this.#after.get(from));
    const sender = this.#joinedIn(state);
    if (sender === undefined) return;
    this.rejoins++;
    const room = this.#room.nid;
    const pos = this.#store.streams.next();
    const line = roomState.reopenRoom(room, pos);
    timeline.openSegment(room, pos);
    const entries = [...state.values()].map((id) => ({ key: this.#keyNid(id), event: this.#nid(id) }));
    roomState.applyCurrent(room, pos, entries);
    extremities.replace(room, extremities.forward(room), []);
    this.#ends = [];
    this.#stretch = [];
    this.#stretchBegins = this.#citable.length;
    this.#base = pos;
    this.#missing = Array.from({ length: 2 + this.#random.below(4) }, () => this.#filler(sender, state));
    const draft: Draft = { type: 'm.room.message', sender, content: { body: 'I am back' } };
    this.#commit(this.#event(draft, [from], this.#citedBy(draft, state)), state, { line, pos }, 'accepted');
  }

  /** A state event of the time away, which comes without its place. Nothing else in the room has its key. */
  #filler(sender: string, state: NaiveState): AuthEvent<string> {
    const n = this.#fillers++;
    const user = `@filled${n}:s${6 + (n % 3)}`;
    const draft: Draft = this.#random.chance(0.5)
      ? { type: 'm.room.member', stateKey: user, sender: user, content: { membership: 'join' } }
      : { type: 'org.example.filled', stateKey: `${n}`, sender, content: { n } };
    const event = this.#event(draft, [], this.#citedBy(draft, state));
    this.#events.set(event.id, event);
    this.#insert(event, undefined, 'outlier');
    return event;
  }

  /** The rest of the state arrives: at the base, also where somebody has written since. */
  #fillIn(): void {
    const { roomState } = this.#store.stores;
    const written = this.#missing.find(({ type }) => type === 'org.example.filled');
    const sender = this.#joinedIn(this.#naiveCurrent());
    if (written !== undefined && sender !== undefined && this.#random.chance(0.7)) {
      const { type, stateKey = '' } = written;
      this.#try({ type, stateKey, sender, content: { later: true } }, [...this.#ends], false);
    }
    const entries = this.#missing.map(({ id }) => [this.#keyNid(id), this.#nid(id)] as const);
    const gained = roomState.fillIn(this.#room.nid, this.#base, this.#store.streams.next(), entries);
    this.filled += entries.length;
    this.filledBelow += entries.length - gained.length;
    const missing = this.#missing.map(({ id, type, stateKey = '' }): [string, string] => [keyOf(type, stateKey), id]);
    for (const id of this.#stretch) this.#after.set(id, new Map([...missing, ...(this.#after.get(id) ?? [])]));
    this.#missing = [];
    this.#assertCurrent();
    for (const id of this.#stretch) this.#assertAfter(id);
  }

  #joinedIn(state: NaiveState): string | undefined {
    const joined = [...state.values()].map((id) => this.#events.get(id)).filter((event) => isJoin(event));
    return joined.length === 0 ? undefined : this.#random.pick(joined)?.stateKey;
  }

  #citedBy(draft: Draft, state: NaiveState): AuthEvent<string>[] {
    return authTypesFor(draft, this.#rules)
      .map(([type, stateKey]) => this.#lookup(state, type, stateKey))
      .filter((event) => event !== undefined);
  }

  #try(draft: Draft, prev: readonly string[], stale: boolean): void {
    const before = this.#naiveBefore(prev);
    const source = stale ? (this.#after.get(this.#random.pick(this.#citable)) ?? before) : before;
    const cited = this.#citedBy(draft, source);
    const event = this.#event(draft, prev, cited);
    if (!this.#allows(event, new Map([create(this), ...cited.map(entry)]))) return;
    const fate = this.#fate(event, before);
    const point = this.#engine.stateBefore(
      this.#room,
      prev.map((id) => this.#nid(id)),
    );
    assert.ok(point);
    this.#assertState(point, before, `state before ${event.id}`);
    this.#commit(fate === 'rejected' ? { ...event, rejected: true } : event, before, point, fate);

    function create(self: EngineCheck): [string, string] {
      return [keyOf('m.room.create', ''), self.#createId];
    }
    function entry(each: AuthEvent<string>): [string, string] {
      return [keyOf(each.type, each.stateKey ?? ''), each.id];
    }
  }

  #fate(event: AuthEvent<string>, before: NaiveState): Fate {
    if (!this.#allows(event, before)) return 'rejected';
    return this.#allows(event, this.#naiveCurrent()) ? 'accepted' : 'soft-failed';
  }

  #commit(event: AuthEvent<string>, before: NaiveState, point: StatePoint, fate: Fate): void {
    this.#events.set(event.id, event);
    const isState = event.stateKey !== undefined && fate !== 'rejected';
    const own: [string, string] = [keyOf(event.type, event.stateKey ?? ''), event.id];
    this.#after.set(event.id, isState ? new Map([...before, own]) : before);
    if (fate !== 'rejected') this.#citable.push(event.id);
    if (fate === 'accepted') {
      this.#ends = [...this.#ends.filter((end) => !event.prevEvents.includes(end)), event.id];
    }
    this.#stretch.push(event.id);
    this.#insert(event, point, fate);
    this.#assertAfter(event.id);
    this.#assertCurrent();
  }

  #assertAfter(id: string): void {
    const after = this.#engine.stateAfter(this.#nid(id));
    const wanted = this.#after.get(id);
    assert.ok(after && wanted);
    this.#assertState(after, wanted, `state after ${id}`);
  }

  #insert(event: AuthEvent<string>, before: StatePoint | undefined, fate: Fate | 'outlier'): void {
    const { stores, streams } = this.#store;
    const room = this.#room.nid;
    const nid = this.#nid(event.id);
    const pos = fate === 'accepted' ? streams.next() : null;
    const place = pos === null ? undefined : stores.timeline.append(room, nid, pos);
    const { REJECTED, SOFT_FAILED, OUTLIER } = eventFlags;
    const flags = { accepted: 0, rejected: REJECTED, 'soft-failed': SOFT_FAILED, outlier: OUTLIER }[fate];
    const membership = event.type === 'm.room.member' ? membershipCode(event.content['membership']) : undefined;
    const row: EventRow = {
      nid,
      room,
      type: stores.interning.type(event.type),
      sender: stores.interning.user(event.sender),
      stateKey: event.stateKey === undefined ? null : stores.interning.stateKey(event.type, event.stateKey),
      depth: event.depth,
      ts: event.originServerTs,
      flags,
      membership: membership ?? null,
      pos,
      segment: place?.segment ?? null,
      idx: place?.idx ?? null,
      line: before?.line ?? null,
      linePos: before?.pos ?? null,
    };
    const parents = event.prevEvents.map((id) => this.#nid(id));
    const { content, sender, type } = event;
    const canonical = canonicalJson({ content, sender, type }, 'lenient');
    stores.events.insert({
      ...row,
      membership,
      pos: pos ?? undefined,
      segment: place?.segment,
      idx: place?.idx,
      before,
      canonical,
      parents,
    });
    if (fate === 'accepted') stores.extremities.replace(room, parents, [nid]);
    if (row.stateKey !== null) {
      stores.authGraph.add(
        nid,
        room,
        event.authEvents.map((id) => this.#nid(id)),
        row.stateKey,
      );
    }
    const changes = this.#engine.advance(this.#room, row, stores.extremities.forward(room));
    if (pos !== null) stores.roomState.applyCurrent(room, pos, changes);
    else assert.deepEqual(changes, []);
  }

  #assertCurrent(): void {
    const { roomState } = this.#store.stores;
    const wanted = this.#naiveCurrent();
    assert.deepEqual(this.#named(roomState.currentAll(this.#room.nid)), wanted, 'current state');
    this.#assertState(roomState.tip(this.#room.nid), wanted, 'tip of the main line');
  }

  #assertState(point: StatePoint, wanted: NaiveState, what: string): void {
    assert.deepEqual(this.#named(this.#store.stores.stateLog.allAt(point)), wanted, what);
  }

  #named(entries: Iterable<readonly [Parameters<StateEngine['stateAfter']>[0] | number, EventNid]>): NaiveState {
    const { interning } = this.#store.stores;
    const state = new Map<string, string>();
    for (const [key, nid] of entries) {
      const { type, skey } = interning.stateKeyOf(key as Parameters<typeof interning.stateKeyOf>[0]);
      state.set(keyOf(type, skey), interning.eventId(nid));
    }
    return state;
  }

  #naiveBefore(prev: readonly string[]): NaiveState {
    return this.#resolve(prev.map((id) => this.#after.get(id) ?? new Map()));
  }

  #naiveCurrent(): NaiveState {
    return this.#naiveBefore(this.#ends);
  }

  #resolve(sets: readonly NaiveState[]): NaiveState {
    const [first] = sets;
    if (first === undefined) return new Map();
    const distinct = new Map(sets.map((set) => [JSON.stringify([...set].sort(([a], [b]) => (a < b ? -1 : 1))), set]));
    if (distinct.size === 1) return first;
    const room = { rules: this.#rules, createId: this.#createId, events: this.#events };
    return naiveResolve(room, [...distinct.values()]);
  }

  #allows(event: AuthEvent<string>, state: NaiveState): boolean {
    return checkAuth(this.#rules, event, (type, key) => this.#lookup(state, type, key), goodSignatures).allowed;
  }

  #lookup(state: NaiveState, type: string, stateKey: string): AuthEvent<string> | undefined {
    const id = state.get(keyOf(type, stateKey));
    return id === undefined ? undefined : this.#events.get(id);
  }

  #event(draft: Draft, prev: readonly string[], cited: readonly AuthEvent<string>[]): AuthEvent<string> {
    const isCreate = draft.type === 'm.room.create';
    const id = `$${this.#drafts.letters(6)}${this.#events.size}.${this.#room.nid}:s0`;
    return authEventOf({
      event_id: id,
      type: draft.type,
      ...(draft.stateKey !== undefined && { state_key: draft.stateKey }),
      sender: draft.sender,
      ...(!(isCreate && this.#rules.roomIdIsCreateHash) && { room_id: this.#roomIdFor() }),
      content: draft.content,
      auth_events: cited.map((each) => each.id),
      prev_events: prev,
      origin_server_ts: 1000 + this.#events.size - this.#random.below(8),
      depth: 1 + Math.max(0, ...prev.map((each) => this.#events.get(each)?.depth ?? 0)),
    });
  }

  #roomIdFor(): string {
    return this.#rules.roomIdIsCreateHash ? `!${this.#createId.slice(1)}` : this.#roomId;
  }

  #keyNid(id: string): StateKeyNid {
    const event = this.#events.get(id);
    if (event?.stateKey === undefined) throw new Error(`${id} is no state event`);
    return this.#store.stores.interning.stateKey(event.type, event.stateKey);
  }

  #nid(id: string): EventNid {
    return this.#store.stores.interning.event(id);
  }

  #authEvent(nid: EventNid): AuthEvent<EventNid> {
    const event = this.#events.get(this.#store.stores.interning.eventId(nid));
    if (event === undefined) throw new Error(`no event ${nid}`);
    const named = (ids: readonly string[]) => ids.map((id) => this.#nid(id));
    return { ...event, id: nid, authEvents: named(event.authEvents), prevEvents: named(event.prevEvents) };
  }
}

function isJoin(event: AuthEvent<string> | undefined): event is AuthEvent<string> {
  return event?.type === 'm.room.member' && event.content['membership'] === 'join';
}
