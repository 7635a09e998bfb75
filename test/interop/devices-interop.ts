import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { signJson } from '../../src/protocol/signing/json.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { crossSigningBody, crossSigningKey } from '../support/clients/e2ee.ts';
import type { Person } from '../support/clients/person.ts';
import { Follower } from './follower.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const v3 = '/_matrix/client/v3';

interface KeyAnswer {
  readonly device_keys: Record<string, Record<string, JsonObject>>;
  readonly master_keys?: Record<string, JsonObject>;
  readonly self_signing_keys?: Record<string, JsonObject>;
  readonly user_signing_keys?: Record<string, JsonObject>;
  readonly one_time_keys?: Record<string, Record<string, Record<string, JsonObject>>>;
}

describe('devices on Hearth and on Synapse know each other', () => {
  let pair: Pair;
  let people: Record<Side, Person>;
  let room: SharedRoom;
  let transactions = 0;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
    // Who comes and goes is named for encrypted rooms.
    const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
    room = await SharedRoom.open(pair, people.Hearth, [people.Synapse], { initial_state: [encryption] });
  });

  after(() => pair[Symbol.asyncDispose]());

  function identity({ userId, deviceId }: Person): JsonObject {
    const key = new SigningKey(asKeyId(`ed25519:${deviceId}`), Buffer.from(deviceId.padEnd(32, '.').slice(0, 32)));
    const keys = {
      user_id: userId,
      device_id: deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
      keys: { [`curve25519:${deviceId}`]: `curve of ${deviceId}`, [key.keyId]: key.publicKeyBase64 },
    };
    return signJson(keys, asUserId(userId), key);
  }

  function upload(person: Person, more: object = {}): Promise<unknown> {
    return person.call('POST', `${v3}/keys/upload`, { device_keys: identity(person), ...more });
  }

  async function query(watcher: Person, ...owners: Person[]): Promise<KeyAnswer> {
    const device_keys = Object.fromEntries(owners.map(({ userId }) => [userId, []]));
    return (await watcher.call('POST', `${v3}/keys/query`, { device_keys })) as unknown as KeyAnswer;
  }

  function send(person: Person, messages: Record<string, Record<string, unknown>>): Promise<unknown> {
    return person.call('PUT', `${v3}/sendToDevice/org.example.note/t${transactions++}`, { messages });
  }

  async function claim(
    by: Person,
    owner: Pick<Person, 'userId' | 'deviceId'>,
  ): Promise<[string, JsonObject] | undefined> {
    const one_time_keys = { [owner.userId]: { [owner.deviceId]: 'signed_curve25519' } };
    const answer = (await by.call('POST', `${v3}/keys/claim`, { one_time_keys })) as unknown as KeyAnswer;
    return Object.entries(answer.one_time_keys?.[owner.userId]?.[owner.deviceId] ?? {})[0];
  }

  for (const [here, there] of bothWays) {
    it(`messages from ${here} to a device on ${there}, and to all of somebody, come once and in order`, async () => {
      const [writer, reader] = [people[here], people[there]];
      const second = await pair.login(there, reader.name);
      const clients = [await Follower.of(reader), await Follower.of(second)];
      for (let n = 0; n < 20; n++) await send(writer, { [reader.userId]: { [reader.deviceId]: { n } } });
      await send(writer, { [reader.userId]: { '*': { n: 'last' } } });
      const [first, other] = await Promise.all(
        clients.map(async (client) => {
          const heard: unknown[] = [];
          await client.until('the last message', ({ to_device }) => {
            for (const { type, sender, content } of to_device?.events ?? []) {
              if (type !== 'org.example.note') continue;
              assert.equal(sender, writer.userId);
              heard.push(content['n']);
            }
            return heard.includes('last') ? true : undefined;
          });
          return heard;
        }),
      );
      assert.deepEqual(first, [...Array.from({ length: 20 }, (_, n) => n), 'last']);
      assert.deepEqual(other, ['last']);
      await second.call('POST', `${v3}/logout`, {});
    });

    it(`a device of ${there} that is new, renamed, and gone is so for ${here}`, async () => {
      const [watcher, owner] = [people[here], people[there]];
      const client = await Follower.of(watcher);
      const hears = (what: string) =>
        client.until(what, ({ device_lists }) => (device_lists?.changed?.includes(owner.userId) ? true : undefined));
      const devices = async () => Object.values((await query(watcher, owner)).device_keys[owner.userId] ?? {});
      // What is told by one change may bring the next with it: what counts is what a query says after it was told.
      const shows = (what: string, look: (listed: JsonObject[]) => boolean) =>
        pair.eventually(what, async () => (look(await devices()) ? true : undefined));

      await upload(owner);
      await hears('the keys of the first device');
      await shows('one device', (listed) => listed.length === 1);
      assert.deepEqual((await query(watcher, owner)).device_keys[owner.userId]?.[owner.deviceId]?.['keys'], {
        ...(identity(owner)['keys'] as JsonObject),
      });

      const second = await pair.login(there, owner.name);
      await upload(second);
      await hears('the second device');
      await shows('two devices', (listed) => listed.length === 2);

      await second.call('PUT', `${v3}/devices/${second.deviceId}`, { display_name: 'Tablet' });
      // Synapse tells nobody the names of devices unless it is told to.
      if (there === 'Hearth') {
        await hears('the new name');
        await shows('the name', (listed) =>
          listed.some(({ unsigned }) => (unsigned as JsonObject | undefined)?.['device_display_name'] === 'Tablet'),
        );
      }

      await second.call('POST', `${v3}/logout`, {});
      await hears('the end of the second device');
      await shows('one device again', (listed) => listed.length === 1);
      assert.deepEqual(Object.keys((await query(watcher, owner)).device_keys[owner.userId] ?? {}), [owner.deviceId]);
    });

    it(`cross-signing keys of ${there}, and what they sign, are seen on ${here}`, async () => {
      const [watcher, owner] = [people[here], people[there]];
      const userId = asUserId(owner.userId);
      const client = await Follower.of(watcher);
      const [master, self, user] = ['master', 'self', 'user'].map((name) => crossSigningKey(`${name} of ${there}`));
      assert.ok(master && self && user);
      await owner.call('POST', `${v3}/keys/device_signing/upload`, {
        master_key: crossSigningBody(userId, 'master', master),
        self_signing_key: crossSigningBody(userId, 'self_signing', self, master),
        user_signing_key: crossSigningBody(userId, 'user_signing', user, master),
        auth: {
          type: 'm.login.password',
          identifier: { type: 'm.id.user', user: owner.name },
          password: `the password of ${owner.name}`,
        },
      });
      const changed = (what: string) =>
        client.until(what, ({ device_lists }) => (device_lists?.changed?.includes(owner.userId) ? true : undefined));
      await changed('the cross-signing keys');
      const keys = await pair.eventually('the cross-signing keys', async () => {
        const answer = await query(watcher, owner);
        return answer.self_signing_keys?.[owner.userId] === undefined ? undefined : answer;
      });
      assert.deepEqual(Object.keys(keys.master_keys?.[owner.userId]?.['keys'] as JsonObject), [master.keyId]);
      assert.deepEqual(Object.keys(keys.self_signing_keys?.[owner.userId]?.['keys'] as JsonObject), [self.keyId]);
      // Whom somebody has verified is nobody else's business.
      assert.equal(keys.user_signing_keys?.[owner.userId], undefined);

      const signed = signJson(identity(owner), userId, self);
      const { failures } = await owner.call('POST', `${v3}/keys/signatures/upload`, {
        [owner.userId]: { [owner.deviceId]: signed },
      });
      assert.deepEqual(failures ?? {}, {});
      await changed('the signed device');
      await pair.eventually('the signature', async () => {
        const device = (await query(watcher, owner)).device_keys[owner.userId]?.[owner.deviceId];
        const signatures = (device?.['signatures'] as JsonObject | undefined)?.[owner.userId] as JsonObject | undefined;
        return signatures?.[self.keyId] === undefined ? undefined : true;
      });
    });

    it(`keys of ${there} are given to ${here} once each, then the fallback key`, async () => {
      const [by, owner] = [people[here], people[there]];
      const key = (n: string) => ({ key: `key ${n}`, signatures: { [owner.userId]: { 'ed25519:x': 'sig' } } });
      await upload(owner, {
        one_time_keys: { 'signed_curve25519:a': key('a'), 'signed_curve25519:b': key('b') },
        fallback_keys: { 'signed_curve25519:f': { ...key('f'), fallback: true } },
      });
      const claimed = [await claim(by, owner), await claim(by, owner), await claim(by, owner), await claim(by, owner)];
      const ids = claimed.map((found) => found?.[0].slice('signed_curve25519:'.length));
      assert.deepEqual(ids.slice(0, 2).toSorted(), ['a', 'b']);
      assert.deepEqual(ids.slice(2), ['f', 'f']);
      assert.equal(claimed[2]?.[1]['fallback'], true);
      assert.equal(await claim(by, { userId: owner.userId, deviceId: 'NOSUCH' }), undefined);
    });

    it(`keys of somebody on ${there} with whom nobody on ${here} shares a room`, async () => {
      const stranger = await pair.register(there, `stranger${here}`);
      await upload(stranger);
      const answer = await query(people[here], stranger, people[there]);
      assert.deepEqual(Object.keys(answer.device_keys[stranger.userId] ?? {}), [stranger.deviceId]);
      assert.deepEqual(Object.keys(answer.device_keys[people[there].userId] ?? {}), [people[there].deviceId]);
    });

    it(`somebody on ${there} comes into a shared room and leaves it; ${here} is told of both`, async () => {
      const guest = await pair.register(there, `guest${here}`);
      await upload(guest);
      const watcher = people[here];
      const client = await Follower.of(watcher);
      await room.joined(guest, watcher);
      await client.until('the newcomer', ({ device_lists }) =>
        device_lists?.changed?.includes(guest.userId) ? true : undefined,
      );
      assert.deepEqual(Object.keys((await query(watcher, guest)).device_keys[guest.userId] ?? {}), [guest.deviceId]);
      await room.act(guest, 'leave');
      await client.until('the leave', ({ device_lists }) =>
        device_lists?.left?.includes(guest.userId) ? true : undefined,
      );
    });
  }

  it('device lists change while the other server cannot be reached, and are right afterwards', async () => {
    const { Hearth: hilda, Synapse: sven } = people;
    const added: Record<string, Person> = {};
    pair.cut();
    for (const [side, owner] of [
      ['Hearth', hilda],
      ['Synapse', sven],
    ] as const) {
      const device = await pair.login(side, owner.name);
      await upload(device);
      await send(side === 'Hearth' ? hilda : sven, {
        [side === 'Hearth' ? sven.userId : hilda.userId]: { '*': { from: side } },
      });
      added[side] = device;
    }
    const clients = { Hearth: await Follower.of(hilda), Synapse: await Follower.of(sven) };
    pair.heal();
    for (const [here, there] of bothWays) {
      const owner = people[there];
      const changed = { lists: false, message: false };
      await clients[here].until(`what was missed on ${here}`, ({ device_lists, to_device }) => {
        changed.lists ||= device_lists?.changed?.includes(owner.userId) ?? false;
        changed.message ||= to_device?.events.some(({ content }) => content['from'] === there) ?? false;
        return changed.lists && changed.message ? true : undefined;
      });
      await pair.eventually('the new device', async () => {
        const listed = (await query(people[here], owner)).device_keys[owner.userId] ?? {};
        return Object.hasOwn(listed, added[there]?.deviceId ?? '') ? true : undefined;
      });
    }
  });
});
