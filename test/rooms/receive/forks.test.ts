import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import type { EventId, UserId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Seeded } from '../../support/seeded.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });
const member = (user: UserId, membership: string, sender = user) => ({
  type: 'm.room.member',
  sender,
  stateKey: user,
  content: { membership },
});

async function shared(universe: Universe, version: string): Promise<SharedRoom> {
  return SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
}

for (const version of ['1', '2', '11', '12']) {
  describe(`forks, room version ${version}`, () => {
    it('of our events and theirs are joined by whoever speaks next', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await shared(universe, version);
      const fork = room.scripted.ends;
      const ours = room.local('m.room.message', { body: 'ours' });
      const theirs = room.scripted.build({ ...text('theirs'), prevEvents: fork });
      await room.send(theirs);
      assert.deepEqual(room.ends().toSorted(), [ours, theirs.eventId].toSorted());
      room.scripted.take(theirs.pdu);
      const joined = room.local('m.room.message', { body: 'both' });
      assert.deepEqual(room.ends(), [joined]);
    });

    it('that conflict change what clients see once they are resolved', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await shared(universe, version);
      const bob = room.scripted.server.user('bob');
      await room.send(room.scripted.add(member(bob, 'join')));
      const fork = room.scripted.ends;
      // Bob is banned on one side and names himself on the other; the ban comes in last.
      const named = room.scripted.build({
        ...member(bob, 'join'),
        content: { membership: 'join', displayname: 'Bob' },
        prevEvents: fork,
      });
      const ban = room.scripted.build({ ...member(bob, 'ban', room.scripted.creator), prevEvents: fork });
      await room.send(named);
      const { next } = await room.sync();
      await room.send(ban);
      assert.equal(room.stored(ban.eventId), 'accepted');
      const winner = room.state().get(`m.room.member|${bob}`);
      if (version !== '1') assert.equal(winner, ban.eventId);
      const { room: shown } = await room.sync(next);
      const ids = shown.timeline.events.map((event: JsonObject) => event['event_id']);
      assert.ok(ids.includes(ban.eventId));
      const members = await room.world.ok(
        'GET',
        `/_matrix/client/v3/rooms/${room.scripted.roomId}/members`,
        room.token,
      );
      const shownMember = members.chunk.find((event: JsonObject) => event['state_key'] === bob);
      assert.equal(shownMember.event_id, winner);
    });
  });
}

describe('the same events', () => {
  /** Events of several forks with conflicts, every one allowed where it stands. */
  function grow(room: SharedRoom, random: Seeded): BuiltEvent[] {
    const { scripted } = room;
    const users = ['bob', 'carol'].map((name) => scripted.server.user(name));
    const events: BuiltEvent[] = [];
    const levels = { [scripted.creator]: 100, [users[0] as UserId]: 50 };
    const content = { users: scripted.rules.privilegedCreators ? { [users[0] as UserId]: 50 } : levels, invite: 0 };
    for (const user of users) events.push(scripted.add(member(user, 'join')));
    events.push(scripted.add({ type: 'm.room.power_levels', stateKey: '', content }));
    const base = scripted.ends;
    const sides = Array.from({ length: 3 }, (_, side) => {
      let ends: readonly EventId[] = base;
      for (let n = 0; n < 4; n++) {
        const drafts = [
          text(`${side}.${n}`),
          { type: 'm.room.topic', stateKey: '', content: { topic: `${side}.${n}` } },
          { type: 'm.room.topic', sender: users[0] as UserId, stateKey: '', content: { topic: `bob ${side}.${n}` } },
          { type: 'm.room.name', stateKey: '', content: { name: `${side}.${n}` } },
          member(users[1] as UserId, side === 0 ? 'ban' : 'leave', scripted.creator),
          { type: 'm.room.join_rules', stateKey: '', content: { join_rule: side === 1 ? 'invite' : 'public' } },
        ];
        const event = scripted.build({ ...random.pick(drafts), prevEvents: ends });
        scripted.take(event.pdu);
        events.push(event);
        ends = [event.eventId];
      }
      return ends;
    });
    if (random.chance(0.5)) {
      const merge = scripted.build({ ...text('merge'), prevEvents: sides.slice(0, 2).flat() });
      scripted.take(merge.pdu);
      events.push(merge);
    }
    return events;
  }

  for (const version of ['2', '10', '12']) {
    it(`give the same state in any order and in any batches, room version ${version}`, async () => {
      for (let seed = 1; seed <= 3; seed++) {
        await using universe = await Universe.open(['a.test']);
        const first = await shared(universe, version);
        const events = grow(first, new Seeded(seed));
        const random = new Seeded(seed * 1000);
        for (const event of events) await first.send(event);
        const wanted = first.state();
        await using other = await Universe.open(['a.test']);
        const again = await shared(other, version);
        // Both rooms began with the same events, as everything in them is decided by the script.
        assert.equal(again.scripted.roomId, first.scripted.roomId);
        for (const event of events) again.scripted.take(event.pdu);
        const shuffled = random.shuffle([...events]);
        for (let at = 0; at < shuffled.length; ) {
          const size = 1 + random.below(5);
          await again.send(...shuffled.slice(at, at + size));
          at += size;
        }
        await again.send(...events);
        assert.deepEqual(again.state(), wanted, `seed ${seed}`);
      }
    });
  }
});
