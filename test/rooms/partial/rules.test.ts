import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { StreamPos } from '../../../src/store/nids.ts';
import { TestDevice } from '../../support/clients/e2ee.ts';
import type { Injected } from '../../support/clients/inject.ts';
import { StoreRoom } from '../../support/rooms/store-room.ts';
import { World } from '../../support/servers/world.ts';
import { withoutMembers } from './missing-members.ts';

const bob = '@bob:b.test';
const carol = '@carol:c.test';
const lazily = encodeURIComponent('{"room":{"timeline":{"limit":1},"state":{"lazy_load_members":true}}}');
const enc = encodeURIComponent;

/** Alice has come into a room of others, of whom only `bob`'s words are known yet. */
class PartialWorld implements AsyncDisposable {
  readonly world: World;
  readonly alice: TestDevice;
  readonly room: StoreRoom;
  readonly complete: (isTold?: boolean) => StreamPos;

  private constructor(world: World, alice: TestDevice, room: StoreRoom, complete: (isTold?: boolean) => StreamPos) {
    this.world = world;
    this.alice = alice;
    this.room = room;
    this.complete = complete;
  }

  static async open(isEncrypted = false): Promise<PartialWorld> {
    const world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const { db, stores, streams } = world.hs;
    let room: StoreRoom | undefined;
    db.write<void>(() => {
      room = new StoreRoom({ db, stores, streams } as never, '11', '!large:b.test');
      room.create(bob);
      room.join(bob);
      room.join(carol);
      room.add(bob, 'm.room.join_rules', { join_rule: 'public' }, '');
      if (isEncrypted) room.add(bob, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }, '');
      room.join(alice.userId);
    });
    if (room === undefined) throw new Error('there is no room');
    return new PartialWorld(world, alice, room, withoutMembers(world, room, [bob, carol]));
  }

  /** Makes requests, and resolves when all of them wait. The list holds what they answer. */
  async waiting(...requests: (() => Promise<Injected>)[]): Promise<Promise<Injected>[]> {
    const { clock } = this.world;
    const before = clock.pendingTimers;
    const answers = requests.map((request) => request());
    while (clock.pendingTimers < before + requests.length) await nextTurn();
    return answers;
  }

  path(rest: string): string {
    return `/rooms/${enc(this.room.roomId)}/${rest}`;
  }

  /** Bob says something, and his event names his member event, as all events do. */
  bobSays(body: string): void {
    const { db, streams } = this.world.hs;
    db.write<void>(() => {
      this.room.message(bob, body);
      streams.touchRoom(this.room.nid);
    });
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every form
  async sync(filter: string, since?: string): Promise<any> {
    const from = since === undefined ? '' : `&since=${since}`;
    const {
      next_batch: token,
      rooms,
      device_lists: lists,
    } = await this.alice.ok('GET', `/sync?filter=${filter}${from}`);
    return { token, room: rooms?.join?.[this.room.roomId], lists };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.world.hs.stores.partialRooms.has(this.room.nid)) this.complete();
    await this.world[Symbol.asyncDispose]();
  }
}

const everything = enc('{}');
// oxlint-disable-next-line typescript/no-explicit-any -- an event in an answer
const peopleIn = (events: any[]) =>
  events
    .filter(({ type }) => type === 'm.room.member')
    .map((e) => e.state_key)
    .sort();

describe('a room whose members are still being fetched', () => {
  it('is shown at once to who loads members lazily, with those who speak', async () => {
    await using partial = await PartialWorld.open();
    const { alice } = partial;
    const first = await partial.sync(lazily);
    assert.deepEqual(peopleIn(first.room.timeline.events), [alice.userId]);
    assert.deepEqual(peopleIn(first.room.state.events), []);
    partial.bobSays('Is it warm?');
    const second = await partial.sync(lazily, first.token);
    assert.deepEqual(peopleIn(second.room.state.events), [bob]);
    partial.complete();
    const third = await partial.sync(lazily, second.token);
    assert.equal(third.room.summary['m.joined_member_count'], 3);
    assert.deepEqual(third.room.timeline.events, []);
    assert.equal((await partial.sync(lazily, third.token)).room, undefined);
  });

  it('is shown to who wants all members once they are here, as if the user had joined then', async () => {
    await using partial = await PartialWorld.open();
    const first = await partial.sync(everything);
    assert.equal(first.room, undefined);
    partial.bobSays('Is it warm?');
    const second = await partial.sync(everything, first.token);
    assert.equal(second.room, undefined);
    // Whoever looks in the very moment.
    partial.complete(false);
    const third = await partial.sync(everything, second.token);
    const { state, timeline, summary } = third.room;
    const people = peopleIn([...state.events, ...timeline.events]);
    assert.deepEqual(people, [partial.alice.userId, bob, carol]);
    assert.equal(summary['m.joined_member_count'], 3);
    assert.equal((await partial.sync(everything, third.token)).room, undefined);
    assert.notEqual((await partial.sync(everything)).room, undefined);
  });

  it('brings device lists of all who are in it when it is complete and encrypted', async () => {
    await using partial = await PartialWorld.open(true);
    const first = await partial.sync(lazily);
    partial.complete();
    const second = await partial.sync(lazily, first.token);
    assert.deepEqual(second.lists.changed.sort(), [bob, carol]);
    const changes = await partial.alice.ok('GET', `/keys/changes?from=${first.token}&to=${second.token}`);
    assert.deepEqual(changes.changed.sort(), [bob, carol]);
  });

  for (const path of ['members', 'joined_members', 'state', `state/m.room.member/${enc(carol)}`]) {
    it(`lets GET ${path} wait until it is complete`, async () => {
      await using partial = await PartialWorld.open();
      const [asked] = await partial.waiting(() => partial.alice.call('GET', partial.path(path)));
      partial.complete();
      const { status, text } = (await asked) as Injected;
      assert.equal(status, 200);
      assert.ok(path.includes('state/') ? text.includes('join') : text.includes(carol), text);
    });
  }

  it('answers 503 to who has waited for two minutes, and 403 at once to who may not know', async () => {
    await using partial = await PartialWorld.open();
    const [asked] = await partial.waiting(() => partial.alice.call('GET', partial.path('members')));
    partial.world.clock.advance(120_000);
    const { status, json } = (await asked) as Injected;
    assert.deepEqual([status, json.errcode], [503, 'M_UNKNOWN']);
    const eve = await TestDevice.register(partial.world, 'eve');
    assert.equal((await eve.call('GET', partial.path('members'))).status, 403);
  });

  it('answers at once what it knows: a member event that is here, and other state', async () => {
    await using partial = await PartialWorld.open();
    const own = await partial.alice.call('GET', partial.path(`state/m.room.member/${enc(partial.alice.userId)}`));
    assert.equal(own.status, 200);
    assert.equal((await partial.alice.call('GET', partial.path('state/m.room.join_rules/'))).status, 200);
  });

  it('lets whoever comes next, or is acted upon, wait for what they are in it', async () => {
    await using partial = await PartialWorld.open();
    const dave = await TestDevice.register(partial.world, 'dave');
    const [joining, kicking] = await partial.waiting(
      () => dave.call('POST', `/join/${enc(partial.room.roomId)}`, {}),
      () => partial.alice.call('POST', partial.path('kick'), { user_id: carol }),
    );
    partial.complete();
    assert.equal((await joining)?.status, 200);
    // The power to do so is another question.
    assert.equal((await kicking)?.json.errcode, 'M_FORBIDDEN');
  });

  it('is not served to other servers where that takes all members', async () => {
    await using partial = await PartialWorld.open();
    const { asked } = partial.world.hs.services.serving;
    const stranger = asServerName('d.test');
    const unable = { status: 403, errcode: 'ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE' };
    assert.throws(() => asked.forHandshake(stranger, partial.room.roomId), { status: 404, errcode: 'M_NOT_FOUND' });
    assert.throws(() => asked.forMember(stranger, partial.room.roomId), unable);
    assert.throws(() => asked.forMemberOfWhole(asServerName('b.test'), partial.room.roomId), unable);
    partial.complete();
    assert.equal(asked.forHandshake(stranger, partial.room.roomId).nid, partial.room.nid);
    assert.throws(() => asked.forMember(stranger, partial.room.roomId), { status: 403, errcode: 'M_FORBIDDEN' });
    assert.equal(asked.forMemberOfWhole(asServerName('b.test'), partial.room.roomId).nid, partial.room.nid);
  });
});
