import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;

async function open(guests = true) {
  const world = await World.open({ registration: { mode: 'open', guests } });
  const guest = async () => {
    const answer = await world.call('POST', `${v3}/register?kind=guest`, {
      body: { initial_device_display_name: 'Tab' },
    });
    assert.equal(answer.status, 200, answer.text);
    return { token: answer.json.access_token as string, userId: answer.json.user_id as string };
  };
  const room = async (token: string, access?: string) => {
    const body = {
      preset: 'public_chat',
      initial_state: access === undefined ? [] : [{ type: 'm.room.guest_access', content: { guest_access: access } }],
    };
    return (await world.ok('POST', `${v3}/createRoom`, token, body)).room_id as string;
  };
  return { world, guest, room, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

describe('guests', () => {
  it('are let in only where the admin wants them', async () => {
    await using s = await open(false);
    const answer = await s.world.call('POST', `${v3}/register?kind=guest`, { body: {} });
    assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
  });

  it('get a name and a session without authentication', async () => {
    await using s = await open();
    const { token, userId } = await s.guest();
    const me = await s.world.ok('GET', `${v3}/account/whoami`, token);
    assert.deepEqual([me.user_id, me.is_guest], [userId, true]);
    const { devices } = await s.world.ok('GET', `${v3}/devices`, token);
    assert.equal(devices[0].display_name, 'Tab');
  });

  it('join and talk where m.room.guest_access says can_join, and nowhere else', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    const { token } = await s.guest();
    const [open1, closed] = [await s.room(alice, 'can_join'), await s.room(alice)];
    await s.world.ok('POST', `${v3}/rooms/${enc(open1)}/join`, token, {});
    await s.world.ok('PUT', `${v3}/rooms/${enc(open1)}/send/m.room.message/1`, token, {
      msgtype: 'm.text',
      body: 'hi',
    });
    const refused = await s.world.call('POST', `${v3}/rooms/${enc(closed)}/join`, { token, body: {} });
    assert.deepEqual([refused.status, refused.json.errcode], [403, 'M_GUEST_ACCESS_FORBIDDEN']);
  });

  it('leave when the room does not want guests any more', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    const { token, userId } = await s.guest();
    const room = await s.room(alice, 'can_join');
    await s.world.ok('POST', `${v3}/rooms/${enc(room)}/join`, token, {});
    const access = `${v3}/rooms/${enc(room)}/state/m.room.guest_access/`;
    await s.world.ok('PUT', access, alice, { guest_access: 'forbidden' });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    const member = await s.world.ok('GET', `${v3}/rooms/${enc(room)}/state/m.room.member/${enc(userId)}`, alice);
    assert.equal(member.membership, 'leave');
  });

  it('may call what the specification lists', async () => {
    await using s = await open();
    const { token, userId } = await s.guest();
    const rows: [method: string, path: string, body: unknown, status: number][] = [
      ['GET', '/sync', undefined, 200],
      ['PUT', `/profile/${userId}/displayname`, { displayname: 'G' }, 200],
      ['PUT', `/profile/${userId}/avatar_url`, { avatar_url: 'mxc://a/b' }, 403],
      ['DELETE', `/profile/${userId}/avatar_url`, undefined, 403],
      ['POST', '/keys/query', { device_keys: {} }, 200],
      ['POST', '/createRoom', {}, 403],
      ['GET', '/pushrules/', undefined, 403],
      ['POST', '/user_directory/search', { search_term: 'a' }, 403],
      ['POST', '/account/deactivate', {}, 403],
      ['POST', '/join/%23a:localhost', {}, 403],
      ['POST', '/logout', {}, 200],
    ];
    for (const [method, path, body, status] of rows) {
      const answer = await s.world.call(method, `${v3}${path}`, { token, body });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      if (status === 403) assert.equal(answer.json.errcode, 'M_GUEST_ACCESS_FORBIDDEN');
    }
  });

  it('become people by their own token and keep their ID', async () => {
    await using s = await open();
    const { token, userId } = await s.guest();
    const username = userId.slice(1, userId.indexOf(':'));
    const wish = { username, password: 'long enough', auth: { type: 'm.login.dummy' } };
    const register = (body: unknown) => s.world.call('POST', `${v3}/register`, { body });
    assert.equal((await register(wish)).json.errcode, 'M_USER_IN_USE');
    const strange = await register({ ...wish, guest_access_token: await s.world.register('bob') });
    assert.deepEqual([strange.status, strange.json.errcode], [403, 'M_FORBIDDEN']);
    const other = await register({ ...wish, username: 'another', guest_access_token: token });
    assert.equal(other.json.errcode, 'M_INVALID_PARAM');
    const nameless = await register({ ...wish, username: undefined, guest_access_token: token });
    assert.equal(nameless.json.errcode, 'M_MISSING_PARAM');
    const become = (password: string) => register({ ...wish, password, guest_access_token: token });
    const [done, twice] = await Promise.all([become('long enough'), become('another password')]);
    assert.deepEqual([done.status, done.json.user_id], [200, userId]);
    assert.deepEqual([twice.status, twice.json.errcode], [403, 'M_FORBIDDEN'], 'once only');
    assert.equal((await s.world.ok('GET', `${v3}/account/whoami`, token)).is_guest, false);
    const login = { type: 'm.login.password', user: username, password: 'long enough' };
    assert.equal((await s.world.call('POST', `${v3}/login`, { body: login })).status, 200);
  });
});
