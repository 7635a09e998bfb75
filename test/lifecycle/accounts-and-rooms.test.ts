import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const alice = asUserId('@alice:localhost');

/** Alice is in two rooms and invited to a third, all of them Bob's. */
async function aliceAndBob(world: World) {
  const bobToken = await world.register('bob');
  const aliceToken = await world.register('alice');
  const rooms: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { room_id: room } = await world.ok('POST', `${v3}/createRoom`, bobToken, { invite: [alice] });
    rooms.push(room);
  }
  const [first, second, invited] = rooms as [string, string, string];
  for (const room of [first, second]) await world.ok('POST', `${v3}/join/${room}`, aliceToken, {});
  const member = async (room: string) =>
    (await world.call('GET', `${v3}/rooms/${room}/state/m.room.member/${alice}`, { token: bobToken })).json;
  return { aliceToken, bobToken, joined: [first, second], invited, member };
}

describe('a change of the profile', () => {
  it('goes into the member events of the rooms where the user is joined', async () => {
    await using world = await World.open();
    const { aliceToken, joined, invited, member } = await aliceAndBob(world);
    const path = `${v3}/profile/${alice}`;
    await world.ok('PUT', `${path}/displayname`, aliceToken, { displayname: 'Alice' });
    await world.ok('PUT', `${path}/avatar_url`, aliceToken, { avatar_url: 'mxc://localhost/a' });
    const profile = { displayname: 'Alice', avatar_url: 'mxc://localhost/a' };
    for (const room of joined) assert.deepEqual(await member(room), { membership: 'join', ...profile });
    assert.deepEqual(await member(invited), { membership: 'invite' });
    await world.ok('DELETE', `${path}/displayname`, aliceToken);
    const [first] = joined as [string];
    assert.deepEqual(await member(first), { membership: 'join', avatar_url: 'mxc://localhost/a' });
  });

  it('is there for rooms that are joined later', async () => {
    await using world = await World.open();
    const { aliceToken, invited, member } = await aliceAndBob(world);
    await world.ok('PUT', `${v3}/profile/${alice}/displayname`, aliceToken, { displayname: 'Alice' });
    await world.ok('POST', `${v3}/join/${invited}`, aliceToken, {});
    assert.deepEqual(await member(invited), { membership: 'join', displayname: 'Alice' });
  });
});

describe('a deactivated user', () => {
  it('has left all rooms and rejected all invites', async () => {
    await using world = await World.open();
    const { aliceToken, joined, invited, member } = await aliceAndBob(world);
    const auth = { type: 'm.login.password', password: 'password of alice' };
    await world.ok('POST', `${v3}/account/deactivate`, aliceToken, { auth });
    for (const room of [...joined, invited]) assert.equal((await member(room)).membership, 'leave');
    const answer = await world.call('GET', `${v3}/account/whoami`, { token: aliceToken });
    assert.equal(answer.json.errcode, 'M_UNKNOWN_TOKEN');
  });

  it('leaves the rooms at the next start if a crash came between', async () => {
    await using world = await World.open();
    const { joined, invited, member } = await aliceAndBob(world);
    const { db, services } = world.hs;
    const user = services.accounts.row(alice)?.user;
    assert.ok(user);
    await db.durable<void>(() => services.accounts.close(user, false));
    const [first] = joined as [string];
    assert.equal((await member(first)).membership, 'join');
    await services.deactivation.resume();
    for (const room of [...joined, invited]) assert.equal((await member(room)).membership, 'leave');
  });

  it('cannot be invited', async () => {
    await using world = await World.open();
    const { bobToken, joined } = await aliceAndBob(world);
    await world.hs.admin.accounts.deactivate(alice, true);
    const body = { user_id: alice };
    const answer = await world.call('POST', `${v3}/rooms/${joined[0]}/invite`, { token: bobToken, body });
    assert.equal(answer.status, 404);
  });
});

describe('account data', () => {
  it('shows the predefined push rules to whoever has changed none', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const rules = await world.ok('GET', `${v3}/user/${alice}/account_data/m.push_rules`, token);
    assert.equal(rules.global.override[0].rule_id, '.m.rule.master');
  });

  it('of ignored users takes effect at once', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    await world.register('bob');
    const user = world.hs.services.accounts.row(alice)?.user;
    assert.ok(user);
    assert.equal(world.hs.services.pushRules.of(user).ignored.size, 0);
    const ignored = { ignored_users: { '@bob:localhost': {} } };
    await world.ok('PUT', `${v3}/user/${alice}/account_data/m.ignored_user_list`, token, ignored);
    assert.equal(world.hs.services.pushRules.of(user).ignored.size, 1);
  });
});

describe('the admin', () => {
  it('lists accounts page by page in the order of their names', async () => {
    await using world = await World.open();
    for (const name of ['carol', 'alice', 'bob']) await world.register(name);
    const { accounts } = world.hs.admin;
    const first = accounts.list(undefined, 2).map(({ userId }) => userId);
    assert.deepEqual(first, ['@alice:localhost', '@bob:localhost']);
    assert.deepEqual(
      accounts.list(first.at(-1), 2).map(({ userId }) => userId),
      ['@carol:localhost'],
    );
  });

  it('sets a password and keeps the sessions unless told otherwise', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const status = async () => (await world.call('GET', `${v3}/account/whoami`, { token })).status;
    await world.hs.admin.accounts.setPassword(alice, 'another password', false);
    assert.equal(await status(), 200);
    await world.hs.admin.accounts.setPassword(alice, 'a third password', true);
    assert.equal(await status(), 401);
  });

  it('makes admins, whose sessions know it at once', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const isAdmin = () =>
      world.hs.services.tokens.authenticate(token, { ip: '', agent: undefined, evenIfLocked: false }).admin;
    assert.equal(isAdmin(), false);
    world.hs.admin.accounts.setAdmin(alice, true);
    assert.equal(isAdmin(), true);
    world.hs.admin.accounts.setAdmin(alice, false);
    assert.equal(isAdmin(), false);
  });
});
