import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Injected } from '../support/clients/inject.ts';
import { World } from '../support/servers/world.ts';

const v1 = '/_matrix/client/v1';
const v3 = '/_matrix/client/v3';
const unstable = '/_matrix/client/unstable';

type Json = Injected['json'];

/** A server with two people in a room of theirs; everything that a promise needs beyond it, it makes by itself. */
class Scene {
  readonly world: World;
  readonly alice: string;
  readonly bob: string;
  readonly room: string;
  #count = 0;

  constructor(world: World, alice: string, bob: string, room: string) {
    this.world = world;
    this.alice = alice;
    this.bob = bob;
    this.room = room;
  }

  static async open(): Promise<Scene> {
    const world = await World.open({ registration: { mode: 'open' }, turn: {} });
    const [alice, bob] = [await world.register('alice'), await world.register('bob')];
    const { room_id: room } = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' });
    await world.ok('POST', `${v3}/join/${encodeURIComponent(room)}`, bob, {});
    return new Scene(world, alice, bob, room);
  }

  ok(method: string, path: string, body?: unknown, token = this.alice): Promise<Json> {
    return this.world.ok(method, path.startsWith('/_matrix') ? path : v3 + path, token, body);
  }

  /** The answer's status, and errcode if it has one. */
  async status(method: string, path: string, body?: unknown, token: string | undefined = this.alice): Promise<string> {
    const answer = await this.world.call(method, path.startsWith('/_matrix') ? path : v3 + path, { token, body });
    return answer.status === 200 ? '200' : `${answer.status} ${answer.json.errcode ?? ''}`;
  }

  inRoom(path: string, room = this.room): string {
    return `/rooms/${encodeURIComponent(room)}${path}`;
  }

  async create(options: object = {}): Promise<string> {
    return (await this.ok('POST', '/createRoom', options)).room_id as string;
  }

  async say(content: object = {}, type = 'm.room.message', token = this.alice): Promise<string> {
    this.world.clock.advance(1);
    const path = this.inRoom(`/send/${type}/t${this.#count++}`);
    const { event_id } = await this.ok('PUT', path, { msgtype: 'm.text', body: 'hi', ...content }, token);
    return event_id as string;
  }

  about(rel_type: string, event_id: string, more: object = {}): object {
    return { 'm.relates_to': { rel_type, event_id, ...more } };
  }

  event(id: string): Promise<Json> {
    return this.ok('GET', this.inRoom(`/event/${encodeURIComponent(id)}`));
  }
}

type Promised = (scene: Scene) => Promise<void>;

const joinRule = (content: object) => ({ initial_state: [{ type: 'm.room.join_rules', state_key: '', content }] });
const enc = encodeURIComponent;

/** What each version of the specification brought for clients, by a thing or two that only a server with it can do. */
const versionPromises: Readonly<Record<string, Promised>> = {
  'r0.0.1': async (s) => assert.equal((await s.ok('GET', '/_matrix/client/r0/sync')).next_batch.length > 0, true),
  'r0.1.0': async (s) => assert.ok((await s.ok('GET', '/_matrix/client/r0/joined_rooms')).joined_rooms.length > 0),
  'r0.2.0': async (s) => assert.ok((await s.ok('GET', '/_matrix/client/r0/devices')).devices.length > 0),
  'r0.3.0': async (s) =>
    assert.ok((await s.ok('POST', '/_matrix/client/r0/user_directory/search', { search_term: 'bob' })).results.length),
  'r0.4.0': async (s) => {
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password: 'wrong' };
    assert.equal(await s.status('POST', '/_matrix/client/r0/login', login, undefined), '403 M_FORBIDDEN');
  },
  'r0.5.0': async (s) => {
    const filter = enc('{"room":{"state":{"lazy_load_members":true}}}');
    const { rooms } = await s.ok('GET', `/_matrix/client/r0/sync?filter=${filter}`);
    assert.ok(rooms.join[s.room].summary['m.joined_member_count'] === 2);
    assert.ok((await s.ok('GET', '/_matrix/client/r0/capabilities')).capabilities['m.room_versions']);
  },
  'r0.6.0': async (s) => assert.deepEqual((await s.ok('GET', s.inRoom('/aliases'))).aliases, []),
  'r0.6.1': async (s) => {
    const path = `/_matrix/client/r0${s.inRoom('/state/m.room.power_levels/')}`;
    assert.equal((await s.ok('GET', path)).users_default, 0);
  },
  'v1.1': async (s) => {
    const room = await s.create(joinRule({ join_rule: 'knock' }));
    assert.equal((await s.ok('POST', `/knock/${enc(room)}`, { reason: 'please' }, s.bob)).room_id, room);
    assert.ok((await s.ok('GET', '/account/whoami')).device_id);
    assert.equal(await s.status('GET', '/room_keys/version'), '404 M_NOT_FOUND');
  },
  'v1.2': async (s) => {
    const space = await s.create({ creation_content: { type: 'm.space' }, preset: 'public_chat' });
    const allow = [{ type: 'm.room_membership', room_id: space }];
    const room = await s.create(joinRule({ join_rule: 'restricted', allow }));
    await s.ok('PUT', s.inRoom(`/state/m.space.child/${enc(room)}`, space), { via: ['localhost'] });
    assert.equal(await s.status('POST', `/join/${enc(room)}`, {}, s.bob), '403 M_FORBIDDEN');
    await s.ok('POST', `/join/${enc(space)}`, {}, s.bob);
    await s.ok('POST', `/join/${enc(room)}`, {}, s.bob);
    assert.equal((await s.ok('GET', `${v1}${s.inRoom('/hierarchy', space)}`)).rooms.length, 2);
    assert.equal((await s.ok('GET', '/account/whoami')).is_guest, false);
  },
  'v1.3': async (s) => {
    const root = await s.say();
    const reply = await s.say(s.about('m.reference', root));
    const { chunk } = await s.ok('GET', `${v1}${s.inRoom(`/relations/${enc(root)}`)}`);
    assert.deepEqual(
      chunk.map((event: Json) => event.event_id),
      [reply],
    );
    assert.ok((await s.ok('GET', s.inRoom('/messages?dir=f'))).chunk.length > 0, 'from may be left out');
    const body = { username: 'v13', password: 'password of v13', refresh_token: true, auth: { type: 'm.login.dummy' } };
    const { refresh_token } = (await s.world.call('POST', `${v3}/register`, { body })).json;
    assert.ok((await s.world.call('POST', `${v3}/refresh`, { body: { refresh_token } })).json.access_token);
  },
  'v1.4': async (s) => {
    const root = await s.say();
    const inThread = await s.say(s.about('m.thread', root));
    const threads = await s.ok('GET', `${v1}${s.inRoom('/threads')}`);
    assert.equal(threads.chunk[0].event_id, root);
    const filter = enc('{"room":{"timeline":{"unread_thread_notifications":true}}}');
    const unread = async () =>
      (await s.ok('GET', `/sync?filter=${filter}`, undefined, s.bob)).rooms.join[s.room].unread_thread_notifications;
    assert.ok((await unread())[root].notification_count > 0);
    await s.ok('POST', s.inRoom(`/receipt/m.read.private/${enc(inThread)}`), { thread_id: root }, s.bob);
    assert.equal((await unread())?.[root], undefined);
    const edit = await s.say({ ...s.about('m.replace', root), 'm.new_content': { msgtype: 'm.text', body: 'ho' } });
    assert.equal((await s.event(root)).unsigned['m.relations']['m.replace'].event_id, edit);
  },
  'v1.5': async (s) => {
    assert.equal(await s.status('GET', '/directory/room/nothing'), '400 M_INVALID_PARAM');
    const root = await s.say();
    const reference = await s.say(s.about('m.reference', root));
    const bundled = (await s.event(root)).unsigned['m.relations']['m.reference'];
    assert.deepEqual(bundled, { chunk: [{ event_id: reference }] });
  },
  'v1.6': async (s) => {
    const said = await s.say();
    const ts = s.world.clock.now();
    const found = await s.ok('GET', `${v1}${s.inRoom(`/timestamp_to_event?dir=b&ts=${ts}`)}`);
    assert.equal(found.event_id, said);
    assert.equal(await s.status('GET', '/no/such/endpoint'), '404 M_UNRECOGNIZED');
  },
  'v1.7': async (s) => {
    const { content_uri } = await s.ok('POST', '/_matrix/media/v1/create');
    assert.match(content_uri, /^mxc:\/\/localhost\//);
    const said = await s.say();
    await s.say({ ...s.about('m.annotation', said, { key: '👍' }) }, 'm.reaction');
    const mentioned = await s.say({ 'm.mentions': { user_ids: ['@bob:localhost'] } });
    const { notifications } = await s.ok('GET', '/notifications?only=highlight', undefined, s.bob);
    assert.equal(notifications[0].event.event_id, mentioned);
    const { underride, override } = await s.ok('GET', '/pushrules/global/');
    const ids = [...override, ...underride].map((rule: Json) => rule.rule_id);
    for (const id of ['.m.rule.is_user_mention', '.m.rule.is_room_mention']) assert.ok(ids.includes(id), id);
  },
  'v1.8': async (s) => {
    const said = await s.say();
    const dora = await s.world.register('dora');
    assert.equal(await s.status('POST', s.inRoom(`/report/${enc(said)}`), {}, dora), '404 M_NOT_FOUND');
    assert.equal(await s.status('POST', s.inRoom(`/report/${enc(said)}`), {}, s.bob), '200');
  },
  'v1.9': async (s) => {
    const { override } = await s.ok('GET', '/pushrules/global/');
    assert.ok(override.some((rule: Json) => rule.rule_id === '.m.rule.suppress_edits'));
  },
  'v1.10': async (s) => {
    const root = await s.say();
    const inThread = await s.say(s.about('m.thread', root));
    const reaction = await s.say(s.about('m.annotation', inThread, { key: 'x' }), 'm.reaction');
    const { chunk } = await s.ok('GET', `${v1}${s.inRoom(`/relations/${enc(root)}?recurse=true`)}`);
    const ids = chunk.map((event: Json) => event.event_id);
    assert.deepEqual(ids.toSorted(), [inThread, reaction].toSorted());
    assert.equal(await s.status('GET', '/_matrix/client/versions', undefined, s.alice), '200');
  },
  'v1.11': async (s) => {
    const said = await s.say();
    assert.equal((await s.event(said)).unsigned.membership, 'join');
    const upload = await s.world.call('POST', '/_matrix/media/v3/upload', { token: s.alice, body: 'hello' });
    const path = `${v1}/media/download/${(upload.json.content_uri as string).slice('mxc://'.length)}`;
    assert.equal((await s.world.call('GET', path, { token: s.bob })).text, 'hello');
    assert.equal((await s.world.call('GET', path)).status, 401);
  },
  'v1.12': async (s) => {
    const where = '/join/%23x:nowhere.example?via=nobody.example';
    assert.equal(await s.status('POST', where, {}), '502 M_UNKNOWN');
    const path = `/user/@alice:localhost${s.inRoom('/account_data/m.marked_unread')}`;
    await s.ok('PUT', path, { unread: true });
    assert.deepEqual(await s.ok('GET', path), { unread: true });
    const lou = await s.world.register('lou');
    await s.world.hs.services.accounts.setLocked('@lou:localhost' as never, true);
    assert.equal(await s.status('GET', '/sync', undefined, lou), '401 M_USER_LOCKED');
  },
  'v1.13': async (s) => {
    await s.ok('POST', s.inRoom('/report'), { reason: 'noise' });
    const sue = await s.world.register('sue');
    await s.world.hs.services.accounts.setSuspended('@sue:localhost' as never, true);
    assert.equal(await s.status('POST', '/createRoom', {}, sue), '403 M_USER_SUSPENDED');
  },
  'v1.14': async (s) => void (await s.ok('POST', '/users/@bob:localhost/report', { reason: 'noise' })),
  'v1.15': async (s) => {
    const summary = await s.ok('GET', `${v1}/room_summary/${enc(s.room)}`);
    assert.deepEqual([summary.room_id, summary.num_joined_members, summary.membership], [s.room, 2, 'join']);
  },
  'v1.16': async (s) => {
    await s.ok('PUT', '/profile/@alice:localhost/m.tz', { 'm.tz': 'Europe/Berlin' });
    assert.equal((await s.ok('GET', '/profile/@alice:localhost'))['m.tz'], 'Europe/Berlin');
    await s.ok('DELETE', '/profile/@alice:localhost/m.tz');
    const { rooms } = await s.ok('GET', '/sync?use_state_after=true');
    assert.ok(rooms.join[s.room].state_after.events.length > 0);
    assert.equal(rooms.join[s.room].state, undefined);
    const { sender } = await s.ok('GET', s.inRoom('/state/m.room.create/?format=event'));
    assert.equal(sender, '@alice:localhost');
    const room = await s.create({ room_version: '12' });
    assert.ok(!room.includes(':'), 'its ID is the hash of its create event');
  },
  'v1.17': async (s) => {
    const rules = await s.ok('GET', '/pushrules/global/');
    const ids = Object.values(rules).flatMap((kind) => (kind as Json[]).map((rule) => rule.rule_id));
    for (const id of ['.m.rule.contains_display_name', '.m.rule.contains_user_name', '.m.rule.roomnotif']) {
      assert.ok(!ids.includes(id), id);
    }
    assert.equal(new Set(ids).size, ids.length);
  },
  'v1.18': async (s) => {
    const said = await s.say();
    await s.ok('PUT', s.inRoom('/send/m.room.redaction/r18'), { redacts: said });
    assert.deepEqual((await s.event(said)).content, {});
    const ivy = await s.world.register('ivy');
    const config = '/user/@ivy:localhost/account_data/m.invite_permission_config';
    await s.ok('PUT', config, { default_action: 'block' }, ivy);
    const invite = { user_id: '@ivy:localhost' };
    assert.equal(await s.status('POST', s.inRoom('/invite'), invite), '403 M_INVITE_BLOCKED');
    assert.equal(await s.status('GET', `${v1}/admin/lock/@ivy:localhost`), '403 M_FORBIDDEN');
  },
  'v1.19': async (s) => {
    const { joined } = await s.ok('GET', `${v1}/mutual_rooms?user_id=@bob:localhost`);
    assert.ok(joined.includes(s.room));
    const set = (topic: string) => s.ok('PUT', s.inRoom('/state/m.room.topic/'), { topic });
    const { event_id: first } = await set('a');
    const { event_id: second } = await set('b');
    assert.equal((await s.event(second)).unsigned.replaces_state, first);
  },
};

const delayed = `${unstable}/org.matrix.msc4140/delayed_events`;

const featurePromises: Readonly<Record<string, Promised>> = {
  'uk.half-shot.msc2666.query_mutual_rooms': async (s) => {
    const { joined } = await s.ok('GET', `${unstable}/uk.half-shot.msc2666/user/mutual_rooms?user_id=@bob:localhost`);
    assert.ok(joined.includes(s.room));
  },
  'uk.half-shot.msc2666.query_mutual_rooms.stable': (s) => (versionPromises['v1.19'] as Promised)(s),
  'org.matrix.msc3030': async (s) => {
    const said = await s.say();
    const path = s.inRoom(`/timestamp_to_event?dir=b&ts=${s.world.clock.now()}`);
    assert.equal((await s.ok('GET', `${unstable}/org.matrix.msc3030${path}`)).event_id, said);
  },
  'org.matrix.msc3881': async (s) => {
    await s.ok('POST', '/pushers/set', {
      kind: 'http',
      app_id: 'app',
      pushkey: 'key',
      app_display_name: 'App',
      device_display_name: 'Phone',
      lang: 'en',
      'org.matrix.msc3881.enabled': false,
      data: { url: 'https://push.example/_matrix/push/v1/notify' },
    });
    const [pusher] = (await s.ok('GET', '/pushers')).pushers;
    assert.equal(pusher['org.matrix.msc3881.enabled'], false);
    assert.ok(pusher['org.matrix.msc3881.device_id']);
  },
  'org.matrix.msc3814': async (s) =>
    // Clients tell by the errcode whether there is such a thing.
    assert.equal(await s.status('GET', `${unstable}/org.matrix.msc3814.v1/dehydrated_device`), '404 M_NOT_FOUND'),
  'org.matrix.msc4108': async (s) => {
    const made = await s.world.call('POST', `${unstable}/org.matrix.msc4108/rendezvous`, {
      body: 'hello',
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(made.status, 201, made.text);
    const { pathname } = new URL(made.json.url as string, 'http://localhost');
    assert.equal((await s.world.call('GET', pathname)).text, 'hello');
  },
  'org.matrix.msc4140': async (s) => {
    const path = s.inRoom('/send/m.room.message/d?org.matrix.msc4140.delay=1000');
    const { delay_id } = await s.ok('PUT', path, { msgtype: 'm.text', body: 'later' });
    const waiting = async () => (await s.ok('GET', delayed)).scheduled ?? (await s.ok('GET', delayed)).delayed_events;
    assert.equal((await waiting()).length, 1);
    await s.ok('POST', `${delayed}/${delay_id}`, { action: 'send' });
    assert.equal((await waiting()).length, 0);
    assert.equal((await s.ok('GET', s.inRoom('/messages?dir=b&limit=1'))).chunk[0].content.body, 'later');
  },
};

const capabilityPromises: Readonly<Record<string, (scene: Scene, told: Json) => Promise<void>>> = {
  'm.change_password': async (s, { enabled }) => {
    const zoe = await s.world.register('zoe');
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'zoe' },
      password: 'password of zoe',
    };
    assert.equal(enabled, true);
    await s.ok('POST', '/account/password', { new_password: 'a new password of zoe', auth }, zoe);
  },
  'm.room_versions': async (s, { default: usual, available }) => {
    for (const [version, stability] of Object.entries(available)) {
      assert.equal(stability, 'stable');
      const room = await s.create({ room_version: version });
      const { room_version } = await s.ok('GET', s.inRoom('/state/m.room.create/', room));
      assert.equal(room_version ?? '1', version);
    }
    const { room_version } = await s.ok('GET', s.inRoom('/state/m.room.create/', await s.create()));
    assert.equal(room_version, usual);
    assert.equal(await s.status('POST', '/createRoom', { room_version: '13' }), '400 M_UNSUPPORTED_ROOM_VERSION');
  },
  'm.profile_fields': async (s, told) => {
    assert.deepEqual(told, { enabled: true });
    const path = '/profile/@alice:localhost/org.example.mood';
    await s.ok('PUT', path, { 'org.example.mood': 'good' });
    assert.deepEqual(await s.ok('GET', path), { 'org.example.mood': 'good' });
  },
  'm.set_displayname': async (s, told) => {
    assert.deepEqual(told, { enabled: true });
    await s.ok('PUT', '/profile/@alice:localhost/displayname', { displayname: 'Alice' });
  },
  'm.set_avatar_url': async (s, told) => {
    assert.deepEqual(told, { enabled: true });
    await s.ok('PUT', '/profile/@alice:localhost/avatar_url', { avatar_url: 'mxc://localhost/a' });
  },
  'm.3pid_changes': async (s, told) => {
    // With a mail server it is true: the tests of mail addresses show that.
    assert.deepEqual(told, { enabled: false });
    const body = { email: 'a@example.org', client_secret: 'x', send_attempt: 1 };
    assert.equal(
      await s.status('POST', '/account/3pid/email/requestToken', body),
      '400 M_THREEPID_MEDIUM_NOT_SUPPORTED',
    );
  },
  'm.get_login_token': async (s, told) => {
    assert.deepEqual(told, { enabled: true });
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
    };
    const { login_token: token } = await s.ok('POST', `${v1}/login/get_token`, { auth });
    const answer = await s.world.call('POST', `${v3}/login`, { body: { type: 'm.login.token', token } });
    assert.equal(answer.json.user_id, '@alice:localhost');
  },
  'org.matrix.msc4140.delayed_events': async (s, { max_delay_ms, max_scheduled }) => {
    const schedule = (delay: number, txn: string) =>
      s.status('PUT', s.inRoom(`/send/m.room.message/${txn}?org.matrix.msc4140.delay=${delay}`), { body: 'x' }, s.bob);
    assert.equal(await schedule(max_delay_ms, 'long'), '200');
    assert.match(await schedule(max_delay_ms + 1, 'longer'), /^400 /);
    for (let i = 1; i < max_scheduled; i++) assert.equal(await schedule(max_delay_ms, `d${i}`), '200');
    assert.equal(await schedule(max_delay_ms, 'one too many'), '429 M_LIMIT_EXCEEDED');
  },
  'm.forget_forced_upon_leave': async (s, told) => {
    assert.deepEqual(told, { enabled: false });
    const room = await s.create();
    await s.ok('POST', s.inRoom('/leave', room), {});
    assert.ok((await s.ok('GET', s.inRoom('/messages?dir=b', room))).chunk.length > 0, 'it is not forgotten');
  },
  'm.account_moderation': async (s, told) => {
    assert.deepEqual(told, { suspend: true, lock: true });
    await s.world.register('max');
    for (const [what, key] of [
      ['suspend', 'suspended'],
      ['lock', 'locked'],
    ] as const) {
      const path = `${v1}/admin/${what}/@max:localhost`;
      await s.ok('PUT', path, { [key]: true });
      assert.deepEqual(await s.ok('GET', path), { [key]: true });
    }
  },
};

describe('what the server says of itself is true', () => {
  let scene: Scene;
  let versions: string[];
  let features: Record<string, boolean>;
  before(async () => {
    scene = await Scene.open();
    const told = (await scene.world.call('GET', '/_matrix/client/versions')).json;
    versions = told.versions;
    features = told.unstable_features;
  });
  after(() => scene.world[Symbol.asyncDispose]());

  it('names the versions in order, each of which has a row here', () =>
    assert.deepEqual(versions, Object.keys(versionPromises)));

  it('names features, each of which is there and has a row here', () => {
    assert.deepEqual(Object.keys(features).toSorted(), Object.keys(featurePromises).toSorted());
    for (const [name, isThere] of Object.entries(features)) assert.equal(isThere, true, name);
  });

  for (const [version, promised] of Object.entries(versionPromises)) it(version, () => promised(scene));
  for (const [feature, promised] of Object.entries(featurePromises)) it(feature, () => promised(scene));

  for (const isAdmin of [false, true]) {
    it(`names capabilities to ${isAdmin ? 'an admin' : 'a user'}, each of which has a row here and is true`, async () => {
      scene.world.hs.services.accounts.setAdmin('@alice:localhost' as never, isAdmin);
      const { capabilities } = await scene.ok('GET', '/capabilities');
      const rows = Object.keys(capabilityPromises).filter((name) => isAdmin || name !== 'm.account_moderation');
      assert.deepEqual(Object.keys(capabilities).toSorted(), rows.toSorted());
      if (!isAdmin) assert.equal(await scene.status('GET', `${v1}/admin/lock/@bob:localhost`), '403 M_FORBIDDEN');
      for (const [name, told] of Object.entries(capabilities)) {
        if (isAdmin && name !== 'm.account_moderation') continue;
        await capabilityPromises[name]?.(scene, told);
      }
      scene.world.hs.services.accounts.setAdmin('@alice:localhost' as never, false);
    });
  }
});
