import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { World } from '../support/servers/world.ts';

const forbidden = (error: unknown) =>
  error instanceof MatrixError && error.status === 403 && error.errcode === 'M_FORBIDDEN';

describe('server access', () => {
  it('follows the current m.room.server_acl', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const { room_id: roomId } = await world.ok('POST', '/_matrix/client/v3/createRoom', token, {});
    const { serverAccess, known } = world.hs.services.rooms;
    const { nid } = known.get(roomId);
    const [good, bad, us] = ['good.test', 'bad.test:8448', 'localhost'].map(asServerName);
    assert.ok(good && bad && us);
    assert.equal(serverAccess.aclAllows(nid, bad), true);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
    const acl = { allow: ['*'], deny: ['bad.*'], allow_ip_literals: true };
    await world.ok('PUT', `${path}/state/m.room.server_acl/`, token, acl);
    assert.equal(serverAccess.aclAllows(nid, bad), false);
    assert.equal(serverAccess.aclAllows(nid, good), true);
    assert.throws(() => serverAccess.requireAcl(nid, bad), forbidden);
    serverAccess.requireAcl(nid, good);
    await world.ok('PUT', `${path}/state/m.room.server_acl/`, token, { allow: ['bad.*', 'localhost'] });
    assert.deepEqual([serverAccess.aclAllows(nid, good), serverAccess.aclAllows(nid, bad)], [false, true]);
  });

  it('knows who is in the room', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const { room_id: roomId } = await world.ok('POST', '/_matrix/client/v3/createRoom', token, {});
    const { serverAccess, known } = world.hs.services.rooms;
    const { nid } = known.get(roomId);
    const us = asServerName('localhost');
    assert.equal(serverAccess.isInRoom(nid, us), true);
    assert.equal(serverAccess.isInRoom(nid, asServerName('other.test')), false);
    assert.throws(() => serverAccess.requireInRoom(nid, asServerName('other.test')), forbidden);
    serverAccess.requireInRoom(nid, us);
    await world.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/leave`, token, {});
    assert.equal(serverAccess.isInRoom(nid, us), false);
  });
});
