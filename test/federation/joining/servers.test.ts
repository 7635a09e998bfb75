import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest, nothingIsLeft } from './joining-world.ts';

/** Servers with one person each, named after the letter of the server. */
async function people(universe: Universe, ...names: string[]): Promise<Guest[]> {
  const found: Guest[] = [];
  for (const name of names) found.push(await Guest.register(universe.world(`${name}.test`), name));
  return found;
}

const member = (room: string, user: string) =>
  `/rooms/${encodeURIComponent(room)}/state/m.room.member/${encodeURIComponent(user)}`;

describe('joins between servers', () => {
  for (const version of supportedRoomVersions) {
    it(`join, talk, leave and come back in room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test', 'b.test']);
      const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
      const room = await a.createRoom({ preset: 'public_chat', room_version: version, room_alias_name: 'here' });
      assert.equal((await b.join('#here:a.test')).status, 200);
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'join');
      const said = await b.say(room, 'hello');
      await universe.until(async () => JSON.stringify(await a.sync()).includes(said), 'the message arrives');
      assert.equal((await b.leave(room)).status, 200);
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'leave');
      // Unheard of at b.test, which is not in the room any more.
      for (let i = 0; i < 30; i++) {
        await a.ok('PUT', `/rooms/${encodeURIComponent(room)}/state/org.test.thing/${i}`, { i });
        await a.say(room, `while you were away ${i}`);
      }
      const since = (await b.sync()).next_batch;
      assert.equal((await b.join(room, ['a.test'])).status, 200);
      const { rooms } = await b.sync(since);
      const events = rooms.join[room].state.events as { type: string }[];
      assert.equal(events.filter(({ type }) => type === 'org.test.thing').length, 30);
      assert.equal(rooms.join[room].timeline.limited, true);
      assert.equal(rooms.join[room].summary['m.joined_member_count'], 2);
      const again = await a.say(room, 'welcome back');
      await universe.until(async () => JSON.stringify(await b.sync(since)).includes(again), 'b.test hears of the room');
      nothingIsLeft(universe.world('b.test'));
    });
  }

  it('fall back to the next server that is named', async () => {
    await using universe = await Universe.open(['a.test', 'b.test', 'c.test']);
    const [a, b, c] = (await people(universe, 'a', 'b', 'c')) as [Guest, Guest, Guest];
    const room = await a.createRoom({ preset: 'public_chat' });
    assert.equal((await b.join(room, ['a.test'])).status, 200);
    const stranger = universe.script('stranger.test');
    const made = '/_matrix/federation/v1/make_join/{}/{}';
    stranger.on('GET', made, () => {
      throw new MatrixError(404, 'M_NOT_FOUND', 'never heard of it');
    });
    assert.equal((await c.join(room, ['nowhere.test', 'stranger.test', 'b.test'])).status, 200);
    await universe.until(async () => (await b.call('GET', member(room, c.userId))).json.membership === 'join');
    await universe.until(async () => (await a.call('GET', member(room, c.userId))).json.membership === 'join');
  });

  it('of two people of a server at once take one handshake', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
    const bea = await Guest.register(universe.world('b.test'), 'bea');
    const room = await a.createRoom({ preset: 'public_chat' });
    const answers = await Promise.all([b.join(room, ['a.test']), bea.join(room, ['a.test']), b.join(room, ['a.test'])]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(universe.calls.filter(({ uri }) => uri.includes('/send_join/')).length, 1);
    for (const user of [b.userId, bea.userId]) {
      await universe.until(async () => (await a.call('GET', member(room, user))).json.membership === 'join');
    }
  });

  it('are refused as the room says', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
    const closed = await a.createRoom({ preset: 'private_chat' });
    assert.deepEqual(await outcome(b.join(closed, ['a.test'])), '403 M_FORBIDDEN');
    assert.deepEqual(await outcome(b.join('#nothing:a.test')), '404 M_NOT_FOUND');
    assert.deepEqual(await outcome(b.join('!nothing:nowhere.test')), '502 M_UNKNOWN');
    assert.deepEqual(await outcome(b.join(`!${'x'.repeat(43)}`)), '404 M_NOT_FOUND');
    assert.deepEqual(await outcome(b.join(`!${'x'.repeat(43)}`, ['a.test'])), '404 M_NOT_FOUND');
    nothingIsLeft(universe.world('b.test'));
  });

  it('of restricted rooms need the word of a server that is inside', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
    const club = await a.createRoom({ preset: 'public_chat' });
    const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] };
    const room = await a.createRoom({
      preset: 'private_chat',
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rule }],
    });
    assert.deepEqual(await outcome(b.join(room, ['a.test'])), '403 M_FORBIDDEN');
    assert.equal((await b.join(club, ['a.test'])).status, 200);
    await universe.until(async () => (await a.call('GET', member(club, b.userId))).json.membership === 'join');
    assert.equal((await b.join(room, ['a.test'])).status, 200);
    const own = await b.ok('GET', member(room, b.userId));
    assert.equal(own.join_authorised_via_users_server, a.userId);
    // Nobody at b.test may let anybody in, but a.test may.
    const bea = await Guest.register(universe.world('b.test'), 'bea');
    assert.deepEqual(await outcome(bea.join(room, ['a.test'])), '403 M_FORBIDDEN');
    assert.equal((await bea.join(club)).status, 200);
    await universe.until(async () => (await a.call('GET', member(club, bea.userId))).json.membership === 'join');
    assert.equal((await bea.join(room)).status, 200);
    assert.equal((await bea.ok('GET', member(room, bea.userId))).membership, 'join');
    await universe.until(async () => (await a.call('GET', member(room, bea.userId))).json.membership === 'join');
  });
});

describe('invites between servers', () => {
  for (const version of supportedRoomVersions) {
    it(`are accepted and declined in room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test', 'b.test']);
      const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
      const room = await a.createRoom({ room_version: version, invite: [b.userId], name: 'ours' });
      const { rooms } = await b.sync();
      const shown = rooms.invite[room].invite_state.events as { type: string }[];
      assert.ok(shown.some(({ type }) => type === 'm.room.name'));
      assert.equal((await b.leave(room)).status, 200);
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'leave');
      assert.equal((await a.call('POST', `/rooms/${room}/invite`, { user_id: b.userId })).status, 200);
      assert.equal((await b.join(room)).status, 200);
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'join');
      nothingIsLeft(universe.world('b.test'));
    });
  }

  it('are declined although the server they came from is gone', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
    const room = await a.createRoom({ invite: [b.userId] });
    universe.cut('a.test', 'b.test');
    const since = (await b.sync()).next_batch;
    assert.equal((await b.leave(room)).status, 200);
    const { rooms } = await b.sync(since);
    assert.ok(rooms.leave[room]);
    assert.deepEqual((await b.sync()).rooms?.invite ?? {}, {});
    assert.equal((await b.leave(room)).status, 200);
  });

  it('tell why they fail', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a] = (await people(universe, 'a')) as [Guest];
    const room = await a.createRoom({ invite: ['@nobody:b.test', '@x:nowhere.test'] });
    const invite = (user_id: string) => outcome(a.call('POST', `/rooms/${room}/invite`, { user_id }));
    assert.equal(await invite('@nobody:b.test'), '403 M_FORBIDDEN');
    assert.equal(await invite('@x:nowhere.test'), '502 M_UNKNOWN');
  });
});

describe('knocks on rooms of other servers', () => {
  for (const version of supportedRoomVersions.slice(6)) {
    it(`are made, taken back and answered in room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test', 'b.test']);
      const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
      const room = await a.createRoom({
        room_version: version,
        name: 'knock',
        initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
      });
      assert.equal((await b.knock(room, ['a.test'])).status, 200);
      const { rooms } = await b.sync();
      const shown = rooms.knock[room].knock_state.events as { type: string }[];
      assert.ok(shown.some(({ type }) => type === 'm.room.name'));
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'knock');
      assert.equal((await b.leave(room)).status, 200);
      await universe.until(async () => (await a.call('GET', member(room, b.userId))).json.membership === 'leave');
      assert.equal((await b.knock(room, ['a.test'])).status, 200);
      await a.ok('POST', `/rooms/${room}/invite`, { user_id: b.userId });
      await universe.until(async () => (await b.sync()).rooms?.invite?.[room] !== undefined, 'the invite');
      assert.equal((await b.join(room)).status, 200);
      assert.equal((await b.sync()).rooms.join[room].summary['m.joined_member_count'], 2);
    });
  }

  it('are refused where a room takes none', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = (await people(universe, 'a', 'b')) as [Guest, Guest];
    const room = await a.createRoom();
    assert.equal(await outcome(b.knock(room, ['a.test'])), '403 M_FORBIDDEN');
    assert.deepEqual((await b.sync()).rooms?.knock ?? {}, {});
  });
});

async function outcome(call: Promise<{ status: number; json: { errcode?: string } }>): Promise<string> {
  const { status, json } = await call;
  return `${status} ${json.errcode ?? ''}`.trim();
}
