import assert from 'node:assert/strict';
import { authTypesFor } from '../../../src/protocol/event-auth/selection.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import type { EventId, UserId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../federation/scripted-server.ts';
import { Universe } from '../servers/universe.ts';
import type { World } from '../servers/world.ts';
import { StoreRoom } from './store-room.ts';

const own = 'a.test';
const version = '11';
/** Stored in one write. */
const together = 500;
/** Who waits for the database's next sync, for followers and for queues. */
const turnsToRest = 60;

/** What somebody of the other server does; the rest follows from the room. */
export interface Deed {
  readonly type: string;
  readonly sender: UserId;
  readonly stateKey?: string;
  readonly content: JsonObject;
  readonly redacts?: EventId;
}

/**
 * A server with two users in a room of very many members of one other server, `b.test`, which says what a test has it say.
 * The members are written straight into the stores; everything after that goes the usual way.
 */
export class LargeRoomWorld implements AsyncDisposable {
  readonly universe: Universe;
  readonly world: World;
  readonly remote: ScriptedServer;
  readonly roomId: string;
  readonly alice: string;
  readonly bob: string;
  /** Events that the other server has been told of. */
  heard = 0;
  readonly #room: StoreRoom;
  readonly #state = new Map<string, EventId>();
  #last: EventId;
  #depth: number;

  private constructor(
    universe: Universe,
    remote: ScriptedServer,
    room: StoreRoom,
    [alice, bob]: readonly [string, string],
    { state, last }: { readonly state: ReadonlyMap<string, EventId>; readonly last: EventId },
  ) {
    this.universe = universe;
    this.world = universe.world(own);
    this.remote = remote;
    this.#room = room;
    this.roomId = room.roomId;
    this.alice = alice;
    this.bob = bob;
    for (const [key, id] of state) this.#state.set(key, id);
    this.#last = last;
    this.#depth = 1_000_000;
    remote.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
      this.heard += (body.pdus as unknown[]).length;
      return { pdus: {} };
    });
  }

  static async open(members: number): Promise<LargeRoomWorld> {
    const universe = await Universe.open([own]);
    const remote = universe.script('b.test');
    const world = universe.world(own);
    const tokens = [await world.register('alice'), await world.register('bob')] as const;
    const { db, stores, streams } = world.hs;
    const state = new Map<string, EventId>();
    const store = { db, stores, streams } as never;
    const creator = remote.user('creator');
    let last: EventId | undefined;
    const add = (made: StoreRoom, type: string, content: JsonObject, stateKey: string): void => {
      const { id } = made.add(stateKey.startsWith('@') ? stateKey : creator, type, content, stateKey);
      state.set(`${type} ${stateKey}`, id);
      last = id;
    };
    const room = db.write<StoreRoom>(() => {
      const made = new StoreRoom(store, version, '!large:b.test');
      state.set('m.room.create ', made.create(creator).id);
      add(made, 'm.room.member', { membership: 'join' }, creator);
      add(made, 'm.room.power_levels', { users: { [creator]: 100 } }, '');
      add(made, 'm.room.join_rules', { join_rule: 'public' }, '');
      add(made, 'm.room.name', { name: 'Large' }, '');
      return made;
    });
    for (let from = 0; from < members; from += together) {
      db.write<void>(() => {
        for (let index = from; index < Math.min(members, from + together); index++) {
          add(room, 'm.room.member', { membership: 'join' }, remote.user(`person${index}`));
        }
      });
    }
    db.write<void>(() => {
      for (const name of ['alice', 'bob']) add(room, 'm.room.member', { membership: 'join' }, `@${name}:${own}`);
      streams.touchRoom(room.nid);
    });
    assert.ok(last !== undefined);
    return new LargeRoomWorld(universe, remote, room, tokens, { state, last });
  }

  get nid() {
    return this.#room.nid;
  }

  /** A member of the other server. */
  person(index: number): UserId {
    return this.remote.user(`person${index}`);
  }

  get creator(): UserId {
    return this.remote.user('creator');
  }

  /** Somebody of the other server does something at the end of the room, and we hear of it. */
  async does(deed: Deed): Promise<EventId> {
    const { type, sender, stateKey, content, redacts } = deed;
    const about = { type, sender, content, ...(stateKey === undefined ? {} : { stateKey }) };
    const cited = authTypesFor(about, rulesOf(version)).map(([kind, key]) => this.#state.get(`${kind} ${key}`));
    const { pdu, eventId } = this.remote.event(
      {
        ...about,
        roomId: asRoomId(this.roomId),
        prevEvents: [this.#last],
        authEvents: cited.filter((id) => id !== undefined),
        depth: ++this.#depth,
        originServerTs: this.universe.clock.now(),
        ...(redacts === undefined ? {} : { redacts }),
      },
      version,
    );
    const { json } = await this.remote.send(own, [pdu]);
    assert.deepEqual(json.pdus, { [eventId]: {} });
    this.#last = asEventId(eventId);
    if (stateKey !== undefined) this.#state.set(`${type} ${stateKey}`, eventId);
    return eventId;
  }

  /** The other server tells something that is no event. */
  async tells(type: string, content: JsonObject): Promise<void> {
    await this.remote.send(own, [], [{ edu_type: type, content }]);
  }

  /** Alice says something, which the other server hears. */
  async says(body: string): Promise<void> {
    const before = this.heard;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(this.roomId)}/send/m.room.message/t${body}`;
    const { event_id: id } = await this.world.ok('PUT', path, this.alice, { msgtype: 'm.text', body });
    this.#last = asEventId(id as string);
    await this.universe.until(() => this.heard > before, 'that the other server hears of it');
  }

  async get(path: string, token = this.alice) {
    return this.world.ok('GET', `/_matrix/client/v3${path}`, token);
  }

  /** Until all that follows is done. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < turnsToRest; turn++) await new Promise((done) => setImmediate(done));
  }

  userId(name: string): UserId {
    return asUserId(`@${name}:${own}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.universe[Symbol.asyncDispose]();
  }
}
