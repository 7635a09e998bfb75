import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId, ServerName } from '../../../src/protocol/ids/types.ts';
import type { KnownRoom } from '../../../src/rooms/known-rooms.ts';
import { Effort } from '../../../src/rooms/receive/effort.ts';
import type { Fetching } from '../../../src/rooms/receive/fetching.ts';
import { RemoteState } from '../../../src/rooms/receive/remote-state.ts';
import type { RemoteCalls } from '../../../src/rooms/receive/room-questions.ts';
import { RoomQuestions } from '../../../src/rooms/receive/room-questions.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../../../src/store/nids.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const server = 'b.test' as ServerName;
const user = (index: number) => `@person${index}:b.test`;
const never = `$${Buffer.alloc(32, 9).toString('base64url')}` as EventId;

/** A room, and another server that tells of its state. */
class Told implements AsyncDisposable {
  readonly store: TestStore;
  readonly room: StoreRoom;
  readonly known: KnownRoom;
  /** An event that is here, whose state before it is asked for. */
  readonly asked: EventId;
  /** What is fetched, as it was wanted. */
  readonly wanted: EventId[] = [];
  /** Bytes of the answer that were read, and turns that others had meanwhile. */
  read = 0;
  turns = 0;
  #answer = '';
  #time = 0;

  constructor(members: number) {
    this.store = openTestStore();
    const { db } = this.store;
    this.room = db.write(() => {
      const room = new StoreRoom(this.store, '11', '!large:b.test');
      room.create(user(0));
      for (let index = 0; index < members; index++) room.join(user(index));
      return room;
    });
    this.asked = db.write(() => this.room.message(user(0), 'hello')).id;
    this.known = { nid: this.room.nid, roomId: this.room.roomId, rules: {} } as unknown as KnownRoom;
  }

  /** The room's state in IDs, one key after the other. */
  state(): EventId[] {
    const { roomState, interning } = this.store.stores;
    return [...roomState.currentAll(this.room.nid)].map(([, event]) => interning.eventId(event));
  }

  /** Has the other server tell of these; the answer is how that state differs from ours, by user or type. */
  async tells(state: readonly string[], chain: readonly string[] = []): Promise<Record<string, unknown> | undefined> {
    this.#answer = JSON.stringify({ pdu_ids: state, auth_chain_ids: chain });
    const point = await this.#ask();
    return point && this.#differences(point);
  }

  async #ask(): Promise<StatePoint | undefined> {
    const { stores, clock: stopped } = this.store;
    // A clock for which every look takes a millisecond: so long work is broken up.
    const clock = { monotonic: () => this.#time++ } as unknown as Clock;
    const remote: RemoteCalls = {
      call: () => Promise.reject(new Error('nothing is asked so')),
      stream: () => Promise.resolve({ ok: true, body: this.#body() }),
    };
    const fetching = {
      unknown: (ids: Iterable<EventId>) =>
        [...ids].filter((id) => {
          const nid = stores.interning.findEvent(id);
          return nid === undefined || stores.events.row(nid) === undefined;
        }),
      outliers: (_room: KnownRoom, ids: readonly EventId[], effort: Effort) => {
        this.wanted.push(...ids);
        for (const id of ids) effort.hopeless.add(id);
        return Promise.resolve(false);
      },
    } as unknown as Fetching;
    const state = new RemoteState({ ...this.store, ...stores, clock, fetching, questions: new RoomQuestions(remote) });
    using effort = new Effort([server], stopped);
    let isOver = false;
    const count = () => {
      this.turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    try {
      return await state.after(this.known, this.asked, effort);
    } finally {
      isOver = true;
    }
  }

  async *#body(): AsyncGenerator<Buffer> {
    const text = Buffer.from(this.#answer);
    for (let at = 0; at < text.length; at += 1000) {
      const piece = text.subarray(at, at + 1000);
      this.read += piece.length;
      yield piece;
    }
    await Promise.resolve();
  }

  #differences(point: StatePoint): Record<string, unknown> {
    const { stateLog, roomState, interning } = this.store.stores;
    const name = (key: StateKeyNid) => {
      const { typeNid, skey } = interning.stateKeyOf(key);
      return skey === '' ? interning.typeName(typeNid) : skey;
    };
    const id = (event: EventNid | undefined) => event && interning.eventId(event);
    const differing = stateLog.difference([roomState.tip(this.room.nid), point]);
    return Object.fromEntries([...differing].map(([key, [, there]]) => [name(key), id(there)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}

describe('a state that another server tells in IDs', () => {
  it('is the current one if all of it is the same', async () => {
    await using told = new Told(20);
    assert.deepEqual(await told.tells(told.state().reverse()), {});
    assert.equal(told.store.db.prepare<[], number>('SELECT count(*) FROM line WHERE kind = 1').pluck().get(), 0);
  });

  it('is a fork of the current one with what it has, lacks and has otherwise', async () => {
    await using told = new Told(20);
    const { db } = told.store;
    const old = told.state();
    const [left, topic] = db.write(() => [
      told.room.member(user(3), 'leave').id,
      told.room.add(user(0), 'm.room.topic', { topic: 'new' }, '').id,
    ]);
    const before = old.find((id) => !told.state().includes(id)) as EventId;
    const last = old.at(-1);
    const other = told.state().flatMap((id) => (id === last || id === topic ? [] : [id === left ? before : id]));
    const differences = await told.tells(other);
    assert.deepEqual(differences, { [user(3)]: before, [user(19)]: undefined, 'm.room.topic': undefined });
  });

  it('is read and compared in pieces between which others have their turn, however many members there are', async () => {
    await using told = new Told(600);
    assert.deepEqual(await told.tells(told.state()), {});
    // At a millisecond for each look: eight or so in a turn, once for what is told and once for what we have.
    assert.ok(told.turns > 100, `${told.turns} turns`);
  });

  it('is asked for what is not here, and for what authorises that, but not for more than may be fetched', async () => {
    await using told = new Told(5);
    const strangers = Array.from({ length: 3 }, (_, nr) => `$${Buffer.alloc(32, 20 + nr).toString('base64url')}`);
    assert.deepEqual(await told.tells([...told.state(), never], strangers), {});
    assert.deepEqual(told.wanted, [...strangers, never]);
    const many = Array.from({ length: 5000 }, (_, nr) => `$${Buffer.alloc(32, `${nr} `).toString('base64url')}`);
    told.read = 0;
    assert.equal(await told.tells([...many, ...told.state()]), undefined);
    assert.ok(told.read < 60_000, `${told.read} bytes`);
    assert.equal(await told.tells([...told.state(), never], many), undefined);
    // Of a state of which nothing is missing it does not matter.
    assert.deepEqual(await told.tells(told.state(), many), {});
  });

  it('is none without the create event, in another form, or if it breaks off', async () => {
    await using told = new Told(5);
    const [create = ''] = told.state();
    assert.equal(await told.tells(told.state().filter((id) => id !== create)), undefined);
    assert.equal(await told.tells([...told.state(), 'nonsense']), undefined);
    assert.equal(await told.tells([]), undefined);
  });
});
