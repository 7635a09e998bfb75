import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { contentHash, eventIdOf } from '../../../src/protocol/events/hashes.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { membershipCode } from '../../../src/store/events/membership.ts';
import type { EventNid, RoomNid, StateKeyNid, StreamPos } from '../../../src/store/nids.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import type { TestStore } from '../store.ts';

export interface StoredEvent {
  readonly nid: EventNid;
  readonly id: EventId;
  readonly pos: StreamPos;
  readonly key: StateKeyNid | null;
}

/** A room without forks, written straight into the stores: real hashes and IDs, made-up signatures, no auth checks. */
export class StoreRoom {
  #store: TestStore;
  readonly #rules: RoomVersionRules;
  readonly roomId: string;
  readonly nid: RoomNid;
  #last: StoredEvent | undefined;
  #depth = 0;
  readonly #state = new Map<string, StoredEvent>();

  /** Inside a write, like everything here that writes. */
  constructor(store: TestStore, version: string, roomId = '!room:localhost') {
    const rules = roomVersionRules(version);
    if (rules === undefined) throw new Error(`no room version ${version}`);
    this.#store = store;
    this.#rules = rules;
    this.roomId = roomId;
    this.nid = store.stores.interning.room(roomId);
  }

  /** Goes on in another process, on the same file. */
  moveTo(store: TestStore): void {
    this.#store = store;
  }

  create(sender: string): StoredEvent {
    const { stores, streams } = this.#store;
    const pos = streams.next();
    stores.roomState.createRoom(this.nid, this.#rules.version, pos);
    return this.add(sender, 'm.room.create', { room_version: this.#rules.version }, '', pos);
  }

  join(user: string): StoredEvent {
    return this.member(user, 'join');
  }

  member(user: string, membership: string, sender = user): StoredEvent {
    return this.add(sender, 'm.room.member', { membership }, user);
  }

  message(sender: string, body: string): StoredEvent {
    return this.add(sender, 'm.room.message', { body, msgtype: 'm.text' });
  }

  add(sender: string, type: string, content: JsonObject, stateKey?: string, at?: StreamPos): StoredEvent {
    const { interning, events, roomState, timeline, extremities, authGraph } = this.#store.stores;
    const cited = this.#cited(type, sender, stateKey);
    const last = this.#last;
    const { id, canonical } = this.#seal(sender, type, content, stateKey, cited);
    const nid = interning.event(id);
    const before = type === 'm.room.create' ? undefined : roomState.tip(this.nid);
    const pos = at ?? this.#store.streams.next();
    const key = stateKey === undefined ? null : interning.stateKey(type, stateKey);
    const parents = last === undefined ? [] : [last.nid];
    events.insert({
      nid,
      room: this.nid,
      type: interning.type(type),
      sender: interning.user(sender),
      stateKey: key,
      depth: this.#depth,
      ts: 1000 + this.#depth,
      flags: 0,
      membership: type === 'm.room.member' ? membershipCode(content['membership']) : undefined,
      pos,
      ...timeline.append(this.nid, nid, pos),
      before,
      canonical,
      parents,
    });
    extremities.replace(this.nid, parents, [nid]);
    const event = { nid, id, pos, key };
    if (key !== null) {
      const auth = cited.map((each) => each.nid);
      authGraph.add(nid, this.nid, auth, key);
      roomState.applyCurrent(this.nid, pos, [{ key, event: nid }]);
      this.#state.set(`${type} ${stateKey}`, event);
    }
    this.#last = event;
    return event;
  }

  #cited(type: string, sender: string, stateKey: string | undefined): StoredEvent[] {
    if (type === 'm.room.create') return [];
    const keys = ['m.room.power_levels ', `m.room.member ${sender}`];
    if (this.#rules.createInAuthEvents) keys.push('m.room.create ');
    if (type === 'm.room.member') keys.push(`m.room.member ${stateKey}`);
    const cited = [...new Set(keys)].map((key) => this.#state.get(key));
    return cited.filter((event) => event !== undefined);
  }

  #seal(
    sender: string,
    type: string,
    content: JsonObject,
    stateKey: string | undefined,
    cited: readonly StoredEvent[],
  ): { id: EventId; canonical: string } {
    this.#depth++;
    const references = (events: readonly StoredEvent[]) =>
      events.map(({ id }) => (this.#rules.refsAsPairs ? [id, { sha256: 'x' }] : id));
    const pdu: JsonObject = {
      auth_events: references(cited),
      content,
      depth: this.#depth,
      origin_server_ts: 1000 + this.#depth,
      prev_events: references(this.#last === undefined ? [] : [this.#last]),
      room_id: this.roomId,
      sender,
      type,
    };
    if (stateKey !== undefined) pdu['state_key'] = stateKey;
    if (this.#rules.eventIdFormat === 'v1') pdu['event_id'] = `$e${this.#depth}:localhost`;
    if (type === 'm.room.create' && this.#rules.roomIdIsCreateHash) delete pdu['room_id'];
    pdu['hashes'] = { sha256: contentHash(pdu, this.#rules) };
    pdu['signatures'] = { localhost: { 'ed25519:1': Buffer.alloc(64, this.#depth).toString('base64').slice(0, 86) } };
    return { id: eventIdOf(pdu, this.#rules), canonical: canonicalJson(pdu) };
  }
}
