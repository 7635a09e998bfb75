import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { Follower } from './follower.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const versions = ['6', '9', '10', '11', '12'];

describe('who may do what in a room is the same on Hearth and on Synapse', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
  });

  after(() => pair[Symbol.asyncDispose]());

  for (const version of versions) {
    for (const [there, here] of bothWays) {
      it(`power is given and used across servers in version ${version}, given on ${there}`, async () => {
        const [owner, other] = [people[there], people[here]];
        const room = await SharedRoom.open(pair, owner, [other], { room_version: version });
        await assert.rejects(room.put(other, 'm.room.topic', { topic: 'mine' }), /M_FORBIDDEN/);
        const levels = await room.state(owner, 'm.room.power_levels');
        const users = levels['users'] as Record<string, number> | undefined;
        // The creators of a room of version 12 have more power than any number says.
        assert.equal(users?.[owner.userId], version === '12' ? undefined : 100);
        const events = { ...(levels['events'] as object), 'm.room.power_levels': 50 };
        await room.put(owner, 'm.room.power_levels', { ...levels, events, users: { ...users, [other.userId]: 50 } });
        const powerOf = (person: Person) => (content: Record<string, unknown>) =>
          (content['users'] as Record<string, number>)[person.userId] === 50;
        await room.shows(other, 'm.room.power_levels', '', powerOf(other));
        await room.put(other, 'm.room.topic', { topic: 'ours' });
        await room.shows(owner, 'm.room.topic', '', ({ topic }) => topic === 'ours');

        // Nobody gives more than they have.
        const given = await room.state(other, 'm.room.power_levels');
        const more = { ...(given['users'] as object), [other.userId]: 75 };
        await assert.rejects(room.put(other, 'm.room.power_levels', { ...given, users: more }), /M_FORBIDDEN/);
        await assert.rejects(room.act(other, 'kick', { user_id: owner.userId }), /M_FORBIDDEN/);
        await assert.rejects(room.put(other, 'm.room.power_levels', { ...given, ban: 75 }), /M_FORBIDDEN/);

        // What one has one may give away and give up.
        await room.put(other, 'm.room.power_levels', { ...given, users_default: 10 });
        await room.shows(owner, 'm.room.power_levels', '', (content) => content['users_default'] === 10);
        const last = await room.state(owner, 'm.room.power_levels');
        await room.put(owner, 'm.room.power_levels', { ...last, users });
        await room.shows(other, 'm.room.power_levels', '', (content) => {
          return (content['users'] as Record<string, number> | undefined)?.[other.userId] === undefined;
        });
        await assert.rejects(room.put(other, 'm.room.topic', { topic: 'mine again' }), /M_FORBIDDEN/);
        await room.agreed([owner, other]);
      });

      it(`a room of version ${version} on ${there} is upgraded; the one on ${here} follows`, async () => {
        const [owner, other] = [people[there], people[here]];
        const room = await SharedRoom.open(pair, owner, [other], { room_version: version, name: 'Old house' });
        const next = version === '6' ? '10' : version === '11' ? '12' : '11';
        const { replacement_room: newId } = (await room.act(owner, 'upgrade', { new_version: next })) as {
          replacement_room: string;
        };
        await room.shows(other, 'm.room.tombstone', '', (content) => content['replacement_room'] === newId);
        await room.shows(other, 'm.room.power_levels', '', (content) => Number(content['events_default']) >= 50);
        await assert.rejects(other.say(room.id, 'too late'), /M_FORBIDDEN/);
        const replacement = new SharedRoom(pair, newId);
        await replacement.joined(other, owner);
        await replacement.sees(owner, other, 'join');
        const create = await replacement.state(other, 'm.room.create');
        assert.equal(create['room_version'], next);
        assert.equal((create['predecessor'] as Record<string, unknown>)['room_id'], room.id);
        assert.deepEqual(await replacement.state(other, 'm.room.name'), { name: 'Old house' });
        const said = await other.say(newId, 'Nice here');
        await replacement.has(owner, said);
        await replacement.agreed([owner, other]);
      });

      it(`in version ${version} people of ${here} are kicked and banned by ${there}, and let in again`, async () => {
        const [owner, other] = [people[there], people[here]];
        const room = await SharedRoom.open(pair, owner, [other], { room_version: version });
        const client = await Follower.of(other);
        await room.act(owner, 'kick', { user_id: other.userId, reason: 'out' });
        await room.sees(other, other, 'leave');
        assert.equal((await room.state(other, 'm.room.member', other.userId))['reason'], 'out');
        await assert.rejects(other.say(room.id, 'still here?'), /M_FORBIDDEN/);
        await room.joined(other, owner);
        await room.sees(owner, other, 'join');
        await room.act(owner, 'ban', { user_id: other.userId, reason: 'for good' });
        // Those who are banned see it in /sync; Synapse shows them no state by other ways.
        const membership = await client.until('the ban', ({ rooms }) =>
          rooms?.leave?.[room.id]?.timeline?.events.find(
            ({ type, content }) => type === 'm.room.member' && content['membership'] === 'ban',
          ),
        );
        assert.equal(membership.content['reason'], 'for good');
        await assert.rejects(room.join(other, owner), /M_FORBIDDEN/);
        await assert.rejects(room.act(owner, 'invite', { user_id: other.userId }), /answered 403/);
        await room.act(owner, 'unban', { user_id: other.userId });
        await room.joined(other, owner);
        await room.sees(owner, other, 'join');
        const said = await other.say(room.id, 'Here again');
        await room.has(owner, said);
        await room.agreed([owner, other]);
      });
    }
  }

  for (const [there, here] of bothWays) {
    it(`somebody of ${here} who was given the power to kicks, bans and unbans people of both servers`, async () => {
      const [owner, helper] = [people[there], people[here]];
      const [near, far] = [await pair.register(here, `near${there}`), await pair.register(there, `far${there}`)];
      const room = await SharedRoom.open(pair, owner, [helper, near, far]);
      const levels = await room.state(owner, 'm.room.power_levels');
      await room.put(owner, 'm.room.power_levels', {
        ...levels,
        users: { ...(levels['users'] as object), [helper.userId]: 50 },
      });
      await room.shows(helper, 'm.room.power_levels', '', (content) =>
        Object.hasOwn(content['users'] as object, helper.userId),
      );
      for (const person of [near, far]) {
        for (const [action, membership] of [
          ['kick', 'leave'],
          ['ban', 'ban'],
          ['unban', 'leave'],
        ] as const) {
          await room.act(helper, action, { user_id: person.userId });
          await room.sees(owner, person, membership);
        }
      }
      await room.agreed([owner, helper]);
    });
  }
});
