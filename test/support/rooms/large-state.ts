import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import { contentHash, eventIdOf } from '../../../src/protocol/events/hashes.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { readAuthEvent } from '../../../src/store/auth/auth-event.ts';
import { membershipCode } from '../../../src/store/events/membership.ts';
import { wellKnown } from '../../../src/store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../../../src/store/nids.ts';
import { PointResolver, type ResolutionCost } from '../../../src/store/state/point-resolver.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import type { TestStore } from '../store.ts';
import { keyOf, type NaiveRoom, type NaiveState, naiveResolve } from './naive-state-resolution.ts';
import { StoreRoom } from './store-room.ts';

const creator = '@creator:localhost';
const signatures = { isSignedBy: () => true, verify: () => true };
const user = (index: number) => `@person${index}:server${index % 300}`;

/** A room with very many members, and what forks of it resolve to. */
export class LargeState {
  readonly #store: TestStore;
  readonly rules: RoomVersionRules;
  readonly room: RoomNid;
  readonly #roomId: string;
  #strays = 1_000_000;

  constructor(store: TestStore, version: string, members: number) {
    this.#store = store;
    const rules = roomVersionRules(version);
    if (rules === undefined) throw new Error(`no room version ${version}`);
    this.rules = rules;
    let room: StoreRoom | undefined;
    for (let from = 0; from < members; from += 500) {
      store.db.write<void>(() => {
        room ??= this.#begin(version);
        for (let index = from; index < Math.min(members, from + 500); index++) room.join(user(index));
      });
    }
    if (room === undefined) throw new Error('a room has members');
    this.room = room.nid;
    this.#roomId = room.roomId;
  }

  #begin(version: string): StoreRoom {
    const room = new StoreRoom(this.#store, version);
    room.create(creator);
    room.join(creator);
    const users = this.rules.privilegedCreators ? {} : { [creator]: 100 };
    room.add(creator, 'm.room.power_levels', { users, invite: 0 }, '');
    room.add(creator, 'm.room.join_rules', { join_rule: 'public' }, '');
    return room;
  }

  /** Two forks of the current state on which three keys differ: one of power, one of a member, one of neither. */
  forks(): StatePoint[] {
    const users = this.rules.privilegedCreators ? {} : { [creator]: 100 };
    return [0, 1].map((side) =>
      this.#fork([
        ['m.room.power_levels', creator, '', { users, invite: side }],
        ['m.room.member', user(7), user(7), { membership: 'join', displayname: `${side}` }],
        ['m.room.topic', creator, '', { topic: `${side}` }],
      ]),
    );
  }

  /** Two forks, each with other names for so many members. */
  renamed(count: number): StatePoint[] {
    return [0, 1].map((side) =>
      this.#fork(
        Array.from({ length: count }, (_, index) => [
          'm.room.member',
          user(index),
          user(index),
          { membership: 'join', displayname: `${side} ${index}` },
        ]),
      ),
    );
  }

  #fork(list: readonly (readonly [type: string, sender: string, key: string, content: JsonObject])[]): StatePoint {
    const { db, stores, streams } = this.#store;
    return db.write(() => {
      const line = stores.stateLog.createLine(this.room, 'fork', stores.roomState.tip(this.room));
      const pos = streams.next();
      stores.stateLog.append(
        line,
        pos,
        list.map((stray) => this.#stray(...stray)),
      );
      return { line, pos };
    });
  }

  /** A state event that is nowhere but on a fork. */
  #stray(type: string, sender: string, stateKey: string, content: JsonObject): [StateKeyNid, EventNid] {
    const { interning, roomState, events, authGraph } = this.#store.stores;
    const { powerLevels, create } = wellKnown.stateKeys;
    const keys = [powerLevels, interning.stateKey('m.room.member', sender)];
    if (type === 'm.room.member') keys.push(interning.stateKey('m.room.join_rules', ''));
    if (this.rules.createInAuthEvents) keys.push(create);
    const auth = keys.map((key) => roomState.current(this.room, key)).filter((nid) => nid !== undefined);
    const ts = this.#strays++;
    const pdu: JsonObject = {
      auth_events: auth.map((nid) => interning.eventId(nid)),
      content,
      depth: 9,
      origin_server_ts: ts,
      prev_events: [],
      room_id: this.#roomId,
      sender,
      state_key: stateKey,
      type,
    };
    pdu['hashes'] = { sha256: contentHash(pdu, this.rules) };
    pdu['signatures'] = {};
    const nid = interning.event(eventIdOf(pdu, this.rules));
    const key = interning.stateKey(type, stateKey);
    const membership = type === 'm.room.member' ? membershipCode(content['membership']) : undefined;
    events.insert({
      nid,
      room: this.room,
      type: interning.type(type),
      sender: interning.user(sender),
      stateKey: key,
      depth: 9,
      ts,
      flags: 0,
      ...(membership === undefined ? {} : { membership }),
      canonical: canonicalJson(pdu),
      parents: [],
    });
    authGraph.add(nid, this.room, auth, key);
    return [key, nid];
  }

  /** What has to change in the current state to make it the one that they resolve to, and what that cost. */
  resolve(points: readonly StatePoint[]): { changes: ReadonlyMap<string, string | undefined>; cost: ResolutionCost } {
    const { stores } = this.#store;
    const resolver = new PointResolver(stores, { fetch: (nid) => readAuthEvent(stores, nid), signatures });
    const costs: ResolutionCost[] = [];
    const resolved = resolver.resolve(this.rules, points, undefined, (told) => costs.push(told));
    const [cost] = costs;
    if (cost === undefined) throw new Error('there was no conflict');
    const changes = resolver.changes(resolved, stores.roomState.tip(this.room));
    return { cost, changes: new Map(changes.map(({ key, event }) => this.#named(key, event))) };
  }

  /** The same by the reference, with whole states and auth chains in memory. */
  resolveNaively(points: readonly StatePoint[]): ReadonlyMap<string, string | undefined> {
    const now = this.#stateAt(this.#store.stores.roomState.tip(this.room));
    const events = new Map<string, AuthEvent<string>>();
    const sets = points.map((point) => this.#stateAt(point, events));
    const createId = sets[0]?.get(keyOf('m.room.create', ''));
    if (createId === undefined) throw new Error('no create event');
    const room: NaiveRoom = { rules: this.rules, createId, events };
    const resolved = naiveResolve(room, sets);
    const changes = new Map<string, string | undefined>();
    for (const [key, id] of resolved) if (now.get(key) !== id) changes.set(key, id);
    for (const key of now.keys()) if (!resolved.has(key)) changes.set(key, undefined);
    return changes;
  }

  #named(key: StateKeyNid, event: EventNid | 0): [string, string | undefined] {
    const { interning } = this.#store.stores;
    const { type, skey } = interning.stateKeyOf(key);
    return [keyOf(type, skey), event === 0 ? undefined : interning.eventId(event)];
  }

  #stateAt(point: StatePoint, events?: Map<string, AuthEvent<string>>): NaiveState {
    const state = new Map<string, string>();
    for (const [key, nid] of this.#store.stores.stateLog.allAt(point)) {
      const [name, id] = this.#named(key, nid);
      if (id !== undefined) state.set(name, id);
      if (events !== undefined) this.#load(nid, events);
    }
    return state;
  }

  /** An event and its auth chain. */
  #load(first: EventNid, events: Map<string, AuthEvent<string>>): void {
    const { stores } = this.#store;
    const pending = [first];
    for (let nid = pending.pop(); nid !== undefined; nid = pending.pop()) {
      if (events.has(stores.interning.eventId(nid))) continue;
      const event = readAuthEvent(stores, nid);
      const ids = (nids: readonly EventNid[]) => nids.map((each) => stores.interning.eventId(each));
      events.set(event.eventId, {
        ...event,
        id: event.eventId,
        authEvents: ids(event.authEvents),
        prevEvents: ids(event.prevEvents),
      });
      pending.push(...event.authEvents);
    }
  }
}
