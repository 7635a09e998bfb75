import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { Follower, type SyncRoom } from './follower.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const versions = ['6', '9', '10', '11', '12'];

describe('people of Hearth and of Synapse get into rooms and out of them', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
    // Each knows the other's keys from here on.
    await SharedRoom.open(pair, people.Hearth, [people.Synapse]);
    await SharedRoom.open(pair, people.Synapse, [people.Hearth]);
  });

  after(() => pair[Symbol.asyncDispose]());

  function shownTypes(room: SyncRoom | undefined, key: 'invite_state' | 'knock_state'): string[] {
    return (room?.[key]?.events ?? []).map(({ type }) => type);
  }

  async function closedRoom(host: Person, options: Record<string, unknown>): Promise<SharedRoom> {
    return new SharedRoom(pair, await host.createRoom({ preset: 'private_chat', name: 'Inside', ...options }));
  }

  function rule(content: Record<string, unknown>): Record<string, unknown> {
    return { initial_state: [{ type: 'm.room.join_rules', content }] };
  }

  function membersOf(...rooms: SharedRoom[]): Record<string, unknown>[] {
    return rooms.map(({ id }) => ({ type: 'm.room_membership', room_id: id }));
  }

  for (const version of versions) {
    for (const [there, here] of bothWays) {
      it(`by an invite from ${there} to ${here}, declined, then accepted (room version ${version})`, async () => {
        const [inviter, invited] = [people[there], people[here]];
        const client = await Follower.of(invited);
        const room = await closedRoom(inviter, { room_version: version });
        await room.act(inviter, 'invite', { user_id: invited.userId, reason: 'come' });
        const shown = await client.until('the invite', ({ rooms }) => rooms?.invite?.[room.id]);
        for (const type of ['m.room.create', 'm.room.join_rules', 'm.room.name', 'm.room.member']) {
          assert.ok(shownTypes(shown, 'invite_state').includes(type), `${invited.name} is shown ${type}`);
        }
        await room.act(invited, 'leave');
        await room.sees(inviter, invited, 'leave');
        await client.until('having declined', ({ rooms }) => rooms?.leave?.[room.id]);
        await room.act(inviter, 'invite', { user_id: invited.userId });
        await client.until('the second invite', ({ rooms }) => rooms?.invite?.[room.id]);
        await room.join(invited, inviter);
        await room.sees(inviter, invited, 'join');
        await room.act(invited, 'leave');
        await room.sees(inviter, invited, 'leave');
      });

      it(`by an invite from ${there} to ${here} that is taken back (room version ${version})`, async () => {
        const [inviter, invited] = [people[there], people[here]];
        const client = await Follower.of(invited);
        const room = await closedRoom(inviter, { room_version: version });
        await room.act(inviter, 'invite', { user_id: invited.userId });
        await client.until('the invite', ({ rooms }) => rooms?.invite?.[room.id]);
        await room.act(inviter, 'kick', { user_id: invited.userId });
        await client.until('its end', ({ rooms }) => rooms?.leave?.[room.id]);
        await assert.rejects(room.join(invited, inviter), /M_FORBIDDEN/);
      });

      if (version === '6') continue;

      it(`by a knock of ${here} at a room on ${there} (room version ${version})`, async () => {
        const [host, guest] = [people[there], people[here]];
        const client = await Follower.of(guest);
        const room = await closedRoom(host, { room_version: version, ...rule({ join_rule: 'knock' }) });
        const knock = (): Promise<unknown> =>
          guest.call('POST', `/_matrix/client/v3/knock/${encodeURIComponent(room.id)}?${room.through(host)}`, {
            reason: 'It rains',
          });
        await knock();
        await room.sees(host, guest, 'knock');
        assert.equal((await room.state(host, 'm.room.member', guest.userId))['reason'], 'It rains');
        const shown = await client.until('the knock', ({ rooms }) => rooms?.knock?.[room.id]);
        assert.ok(shownTypes(shown, 'knock_state').includes('m.room.name'));

        // One that knocks may go away again. (Synapse keeps that to itself: it does not tell other servers.)
        if (here === 'Hearth') {
          await room.act(guest, 'leave');
          await room.sees(host, guest, 'leave');
          await knock();
          await room.sees(host, guest, 'knock');
        }
        // And may be sent away. (Synapse does not tell the server of whom it sends away, nor hears it when it is told:
        // it takes the end of an invite only.)
        await room.act(host, 'kick', { user_id: guest.userId });
        await room.sees(host, guest, 'leave');
        await knock();
        await room.sees(host, guest, 'knock');
        await room.act(host, 'invite', { user_id: guest.userId });
        await client.until('being let in', ({ rooms }) => rooms?.invite?.[room.id]);
        await room.join(guest, host);
        await room.sees(host, guest, 'join');
        await room.agreed([host, guest]);
      });

      it(`of ${there} from ${here} by being in another room (room version ${version})`, async () => {
        const [host, guest] = [people[there], people[here]];
        const open = new SharedRoom(pair, await host.createRoom({ room_version: version, preset: 'public_chat' }));
        const allow = membersOf(open);
        const room = await closedRoom(host, { room_version: version, ...rule({ join_rule: 'restricted', allow }) });
        await assert.rejects(room.join(guest, host), /M_FORBIDDEN/);
        await open.join(guest, host);
        await room.join(guest, host);
        await room.sees(host, guest, 'join');
        const { join_authorised_via_users_server: by } = await room.state(guest, 'm.room.member', guest.userId);
        assert.equal(by, host.userId);
        await room.agreed([host, guest]);
      });

      if (version === '9') continue;

      it(`of ${there} from ${here} by a knock or by being in another room (room version ${version})`, async () => {
        const [host, guest] = [people[there], people[here]];
        const open = new SharedRoom(pair, await host.createRoom({ room_version: version, preset: 'public_chat' }));
        const content = { join_rule: 'knock_restricted', allow: membersOf(open) };
        const room = await closedRoom(host, { room_version: version, ...rule(content) });
        await guest.call('POST', `/_matrix/client/v3/knock/${encodeURIComponent(room.id)}?${room.through(host)}`, {});
        await room.sees(host, guest, 'knock');
        await open.join(guest, host);
        await room.join(guest, host);
        await room.sees(host, guest, 'join');
        await room.agreed([host, guest]);
      });
    }
  }

  for (const [there, here] of bothWays) {
    it(`with an authorising user of ${here} in a room that was made on ${there}`, async () => {
      const [host, guest] = [people[there], people[here]];
      const late = await pair.register(there === 'Hearth' ? 'Synapse' : 'Hearth', `late${here}`);
      const third = await pair.register(there, `third${here}`);
      const open = await SharedRoom.open(pair, host, [guest, late, third]);
      // Only people of the joining side may invite: the host's server has no right to let anybody in.
      const room = await closedRoom(host, {
        room_version: '11',
        ...rule({ join_rule: 'restricted', allow: membersOf(open) }),
      });
      await room.join(guest, host);
      await room.sees(host, guest, 'join');
      const levels = await room.state(host, 'm.room.power_levels');
      const users = { [guest.userId]: 100, [host.userId]: 40 };
      await room.put(host, 'm.room.power_levels', { ...levels, invite: 50, users });
      await room.shows(guest, 'm.room.power_levels', '', (content) => content['invite'] === 50);
      // A member of the same server as the authorising user, then one of the other, who has to go by that server.
      for (const person of [late, third]) {
        await room.join(person, guest);
        await room.sees(host, person, 'join');
        await room.sees(guest, person, 'join');
        const { join_authorised_via_users_server: by } = await room.state(host, 'm.room.member', person.userId);
        assert.equal(by, guest.userId);
      }
      await room.agreed([host, guest]);
    });

    it(`and leave ${there} from ${here}, forget it and come again`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = await SharedRoom.open(pair, host, [guest]);
      await guest.say(room.id, 'one');
      await room.act(guest, 'leave', { reason: 'tired' });
      await room.sees(host, guest, 'leave');
      assert.equal((await room.state(host, 'm.room.member', guest.userId))['reason'], 'tired');
      await room.act(guest, 'forget');
      await host.say(room.id, 'two');
      await room.joined(guest, host);
      await room.sees(host, guest, 'join');
      const said = await host.say(room.id, 'three');
      await room.has(guest, said);
      await room.reads(guest, ['one', 'two', 'three']);
      await room.agreed([host, guest]);
    });

    it(`into a room on ${there} by an alias, from ${here}`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = new SharedRoom(
        pair,
        await host.createRoom({ preset: 'public_chat', room_alias_name: `door${here}` }),
      );
      const alias = encodeURIComponent(`#door${here}:${pair.names[there]}`);
      const found = await guest.call('GET', `/_matrix/client/v3/directory/room/${alias}`);
      assert.equal(found['room_id'], room.id);
      assert.ok((found['servers'] as string[]).includes(pair.names[there]));
      await guest.call('POST', `/_matrix/client/v3/join/${alias}`, {});
      await room.sees(host, guest, 'join');
      const nowhere = encodeURIComponent(`#nowhere:${pair.names[there]}`);
      await assert.rejects(guest.call('GET', `/_matrix/client/v3/directory/room/${nowhere}`), /404.*M_NOT_FOUND/);
      await assert.rejects(guest.call('POST', `/_matrix/client/v3/join/${nowhere}`, {}), /404.*M_NOT_FOUND/);
    });
  }
});
