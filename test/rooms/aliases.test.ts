import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asRoomAlias } from '../../src/protocol/ids/room-id.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { defaults, openRoomWorld } from './room-world.ts';

const pub = asRoomAlias('#pub:localhost');

describe('aliases', () => {
  it('lead to their room until they are removed', async () => {
    await using world = openRoomWorld();
    const { aliases, creation } = world.rooms;
    const alice = world.person('alice');
    const roomId = await creation.createRoom(alice, defaults);
    await aliases.create(alice, pub, roomId);
    assert.deepEqual(aliases.resolve(pub), { roomId, servers: ['localhost'] });
    assert.deepEqual(aliases.ofRoom(alice, roomId), [pub]);
    await assert.rejects(aliases.create(alice, pub, roomId), { status: 409, errcode: 'M_UNKNOWN' });
    await aliases.remove(alice, pub);
    assert.throws(() => aliases.resolve(pub), { status: 404, errcode: 'M_NOT_FOUND' });
    await assert.rejects(aliases.remove(alice, pub), { status: 404, errcode: 'M_NOT_FOUND' });
  });

  it('are made by members, on this server, with a valid name', async () => {
    await using world = openRoomWorld();
    const { aliases, creation } = world.rooms;
    const alice = world.person('alice');
    const roomId = await creation.createRoom(alice, defaults);
    const bob = world.person('bob');
    await assert.rejects(aliases.create(bob, pub, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
    await assert.rejects(aliases.create(alice, pub, '!no:localhost'), { status: 403, errcode: 'M_FORBIDDEN' });
    for (const alias of ['pub', '#pub', '#:localhost', '#pub:elsewhere.test', `#${'x'.repeat(250)}:localhost`]) {
      await assert.rejects(aliases.create(alice, alias, roomId), { status: 400, errcode: 'M_INVALID_PARAM' }, alias);
    }
    assert.throws(() => aliases.ofRoom(bob, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
  });

  it('are removed by who made them, by who may name the room, and by admins', async () => {
    await using world = openRoomWorld();
    const { aliases, creation, membership } = world.rooms;
    const [alice, bob, carol] = [world.person('alice'), world.person('bob'), world.person('carol')];
    const admin = world.person('admin', { admin: true });
    const roomId = await creation.createRoom(alice, { ...defaults, preset: 'public_chat' });
    await membership.join(bob, roomId);
    for (const remover of [bob, alice, admin]) {
      await aliases.create(bob, pub, roomId);
      await assert.rejects(aliases.remove(carol, pub), { status: 403, errcode: 'M_FORBIDDEN' });
      await aliases.remove(remover, pub);
    }
  });

  it('leave the canonical alias with them', async () => {
    await using world = openRoomWorld();
    const { aliases, creation, reading, sending } = world.rooms;
    const alice = world.person('alice');
    const roomId = await creation.createRoom(alice, { ...defaults, aliasName: 'pub' });
    await aliases.create(alice, '#bar:localhost', roomId);
    const key = { type: 'm.room.canonical_alias', stateKey: '' };
    const read = (): JsonObject => JSON.parse(reading.stateEvent(alice, roomId, key, 'content')) as JsonObject;
    assert.deepEqual(read(), { alias: pub });
    await sending.sendState(alice, roomId, { ...key, content: { alias: pub, alt_aliases: ['#bar:localhost', pub] } });
    await aliases.remove(alice, pub);
    assert.deepEqual(read(), { alt_aliases: ['#bar:localhost'] });
    // What is listed already is not looked at again.
    await sending.sendState(alice, roomId, { ...key, content: { alias: '#bar:localhost' } });
  });
});

describe('the room directory', () => {
  it('lists what its members publish', async () => {
    await using world = openRoomWorld();
    const { aliases, creation, membership } = world.rooms;
    const [alice, bob] = [world.person('alice'), world.person('bob')];
    const roomId = await creation.createRoom(alice, { ...defaults, preset: 'public_chat' });
    assert.equal(aliases.isPublished(roomId), false);
    await aliases.publish(alice, roomId, true);
    assert.equal(aliases.isPublished(roomId), true);
    await membership.join(bob, roomId);
    await assert.rejects(aliases.publish(bob, roomId, false), { status: 403, errcode: 'M_FORBIDDEN' });
    await aliases.publish(world.person('admin', { admin: true }), roomId, false);
    assert.equal(aliases.isPublished(roomId), false);
    assert.throws(() => aliases.isPublished('!no:localhost'), { status: 404, errcode: 'M_NOT_FOUND' });
    await assert.rejects(aliases.publish(alice, '!no:localhost', true), { status: 404, errcode: 'M_NOT_FOUND' });
  });

  for (const publicDirectory of ['admins', 'nobody'] as const) {
    it(`is closed by the setting "${publicDirectory}"`, async () => {
      await using world = openRoomWorld({ defaultVersion: '12', publicDirectory });
      const { aliases, creation } = world.rooms;
      const [alice, admin] = [world.person('alice'), world.person('admin', { admin: true })];
      const refused = { status: 403, errcode: 'M_FORBIDDEN' };
      await assert.rejects(creation.createRoom(alice, { ...defaults, visibility: 'public' }), refused);
      const roomId = await creation.createRoom(alice, defaults);
      await assert.rejects(aliases.publish(alice, roomId, true), refused);
      const byAdmin = creation.createRoom(admin, { ...defaults, visibility: 'public' });
      if (publicDirectory === 'nobody') await assert.rejects(byAdmin, refused);
      else assert.equal(aliases.isPublished(await byAdmin), true);
    });
  }
});
