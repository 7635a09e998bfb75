import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { resolve } from '../../../src/protocol/state-resolution/resolve.ts';
import { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import { MemoryAuthGraph, separate } from '../../../src/protocol/state-resolution/state-sets.ts';
import type { AuthGraph, ResolvedKey } from '../../../src/protocol/state-resolution/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';

const ALICE = '@alice:one';

/** A room of numbered events, as a database has them, with many members. */
class BigRoom {
  readonly rules: RoomVersionRules;
  readonly state = new StateMap<number>();
  readonly witnesses = new Map<number, number>();
  readonly #events: AuthEvent<number>[] = [];
  readonly create: number;

  constructor(version: string, members: number) {
    const rules = roomVersionRules(version);
    assert.ok(rules);
    this.rules = rules;
    const creator: JsonObject = rules.creatorFromSender ? {} : { creator: ALICE };
    this.create = this.add('m.room.create', '', ALICE, { room_version: version, ...creator }, []);
    this.add('m.room.member', ALICE, ALICE, { membership: 'join' }, []);
    const users: JsonObject = rules.privilegedCreators ? {} : { [ALICE]: 100 };
    this.add('m.room.power_levels', '', ALICE, { users }, this.#cited(ALICE));
    this.add('m.room.join_rules', '', ALICE, { join_rule: 'public' }, this.#cited(ALICE));
    for (let i = 0; i < members; i++) this.join(`@user${i}:two`, this.joinRules());
  }

  joinRules(): number {
    return this.state.get('m.room.join_rules', '') ?? -1;
  }

  join(user: string, joinRules: number): number {
    return this.add('m.room.member', user, user, { membership: 'join' }, [...this.#cited(user), joinRules]);
  }

  send(type: string, stateKey: string, content: JsonObject): number {
    const target = type === 'm.room.member' ? this.state.get('m.room.member', stateKey) : undefined;
    return this.add(type, stateKey, ALICE, content, [...this.#cited(ALICE), ...(target === undefined ? [] : [target])]);
  }

  add(type: string, stateKey: string, sender: string, content: JsonObject, authEvents: readonly number[]): number {
    const id = this.#events.length;
    const isNameless = type === 'm.room.create' && this.rules.roomIdIsCreateHash;
    this.#events.push({
      id,
      eventId: `$${id}` as EventId,
      type,
      stateKey,
      sender: sender as UserId,
      ...(!isNameless && { roomId: (this.rules.roomIdIsCreateHash ? '!0' : '!room:one') as RoomId }),
      content,
      authEvents,
      prevEvents: id === 0 ? [] : [id - 1],
      originServerTs: id,
      depth: id,
    });
    this.state.set(type, stateKey, id);
    return id;
  }

  /** Resolves two states; counts every question that a store would answer by reading. */
  resolve(sets: readonly StateMap<number>[]): { resolved: ResolvedKey<number>[]; reads: number } {
    let reads = 0;
    const count = <Result>(result: Result): Result => {
      reads++;
      return result;
    };
    const fetch = (id: number): AuthEvent<number> => {
      const event = this.#events[id];
      if (!event) throw new Error(`no event ${id}`);
      return event;
    };
    const { unconflicted, conflicts } = separate(sets);
    const memory = new MemoryAuthGraph(this.rules, fetch(this.create), this.#events.keys(), unconflicted, fetch);
    const graph: AuthGraph<number> = {
      edges: (id) => count(memory.edges(id)),
      rank: (id) => count(memory.rank(id)),
      position: (id) => count(memory.position(id)),
      *children(id) {
        for (const child of memory.children(id)) yield count(child);
      },
      unconflictedAt: (id) => count(memory.unconflictedAt(id)),
      witness: (id) => count(this.witnesses.get(id)),
      setWitness: (id, witness) => this.witnesses.set(id, witness),
    };
    const resolved = resolve(this.rules, {
      create: fetch(this.create),
      setCount: sets.length,
      conflicts,
      unconflicted: (type, stateKey) => {
        const id = count(unconflicted.get(type, stateKey));
        return id === undefined ? undefined : fetch(id);
      },
      graph,
      fetch: (id) => count(fetch(id)),
      signatures: { isSignedBy: () => true, verify: () => true },
    });
    return { resolved, reads };
  }

  /** Adds to a copy of the present state what `change` adds, and goes back. */
  fork(change: () => void): StateMap<number> {
    const kept = this.state.copy();
    change();
    const forked = this.state.copy();
    for (const [type, stateKey] of forked.entries()) this.state.delete(type, stateKey);
    for (const [type, stateKey, id] of kept.entries()) this.state.set(type, stateKey, id);
    return forked;
  }

  #cited(sender: string): number[] {
    const ids = [
      this.rules.createInAuthEvents ? this.create : undefined,
      this.state.get('m.room.power_levels', ''),
      this.state.get('m.room.member', sender),
    ];
    return ids.filter((id) => id !== undefined);
  }
}

const CONFLICTS: Record<string, (room: BigRoom) => StateMap<number>[]> = {
  'two topics': (room) => [
    room.fork(() => room.send('m.room.topic', '', { topic: 'a' })),
    room.fork(() => room.send('m.room.topic', '', { topic: 'b' })),
  ],
  'a ban and a message of the same user': (room) => [
    room.fork(() => room.send('m.room.member', '@user3:two', { membership: 'ban' })),
    room.fork(() => room.join('@user3:two', room.joinRules())),
  ],
  'a join in one state only, under old join rules': (room) => {
    const old = room.joinRules();
    room.send('m.room.join_rules', '', { join_rule: 'public', changed: true });
    return [room.fork(() => room.join('@late:two', old)), room.fork(() => room.send('m.room.topic', '', {}))];
  },
  'new power levels against old ones': (room) => [
    room.fork(() => room.send('m.room.power_levels', '', { users: {}, ban: 10 })),
    room.fork(() => room.send('m.room.topic', '', { topic: 'b' })),
  ],
};

describe('the reads of a resolution', () => {
  for (const version of ['2', '11', '12']) {
    for (const [conflict, make] of Object.entries(CONFLICTS)) {
      it(`version ${version}: do not grow with the room: ${conflict}`, () => {
        const [small, large] = [20, 2000].map((members) => {
          const room = new BigRoom(version, members);
          return room.resolve(make(room)).reads;
        });
        assert.equal(large, small);
        assert.ok(small !== undefined && small < 150, `${small} reads`);
      });
    }
  }

  it('are fewer once a witness is known', () => {
    const room = new BigRoom('11', 50);
    const sets = CONFLICTS['a join in one state only, under old join rules']?.(room) ?? [];
    const first = room.resolve(sets);
    assert.equal(room.witnesses.size, 1);
    const second = room.resolve(sets);
    assert.deepEqual(second.resolved, first.resolved);
    assert.ok(second.reads < first.reads);
  });

  it('are none without a conflict', () => {
    const room = new BigRoom('11', 5);
    assert.deepEqual(room.resolve([room.state, room.state.copy()]), { resolved: [], reads: 0 });
  });
});

describe('what a resolution returns', () => {
  it('is one answer for each conflicted key, none of them for the rest', () => {
    const room = new BigRoom('11', 5);
    const { resolved } = room.resolve([
      room.fork(() => room.send('m.room.member', '@user3:two', { membership: 'ban' })),
      room.fork(() => room.join('@user3:two', room.joinRules())),
    ]);
    assert.deepEqual(
      resolved.map(({ type, stateKey }) => [type, stateKey]),
      [['m.room.member', '@user3:two']],
    );
  });

  it('is nothing for a key whose only candidate is not allowed', () => {
    const room = new BigRoom('11', 5);
    const banned = room.fork(() => room.send('m.room.member', '@user3:two', { membership: 'ban' }));
    const sent = room.fork(() => {
      const id = room.state.get('m.room.member', '@user3:two') ?? -1;
      const levels = room.state.get('m.room.power_levels', '') ?? -1;
      room.add('m.room.topic', '', '@user3:two', {}, [room.create, levels, id]);
    });
    const topic = room.resolve([banned, sent]).resolved.find(({ type }) => type === 'm.room.topic');
    assert.deepEqual(topic, { type: 'm.room.topic', stateKey: '', winner: undefined });
  });
});
