import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { EventType, type MatrixClient, Preset } from 'matrix-js-sdk';
import {
  type EncryptedClient,
  eventually,
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  startEncrypted,
  until,
  untilDecrypted,
  untilRoom,
  verifyByEmoji,
} from '../support/clients/sdk-client.ts';
import { type Answered, LinkedServers } from '../support/servers/linked-servers.ts';

const passwords = {
  alice: 'alice has a password',
  bob: 'bob has a password too',
  carol: 'carol has one as well',
  dan: 'so does dan of course',
};
type Name = keyof typeof passwords;

/** The steps build on each other: one conversation, told in order. */
describe('people of two servers talk encrypted with matrix-js-sdk and its Rust crypto', () => {
  let servers: LinkedServers;
  const clients: EncryptedClient[] = [];
  const claims: Answered[] = [];
  let alice: EncryptedClient;
  let bob: EncryptedClient;
  let carol: EncryptedClient;
  let dan: EncryptedClient;
  let tablet: EncryptedClient;
  let room: string;
  let first: string;

  let unmute = (): void => {};
  const mocks: { mock: { restore(): void } }[] = [];
  /** How much later it is for the SDK, which leaves alone for a while whoever did not answer. */
  let later = 0;
  before(async () => {
    unmute = muteSdk();
    // It waits for random times, up to ten seconds, before it backs up keys and before it connects anew.
    mocks.push(mock.method(Math, 'random', () => 0));
    const now = performance.now.bind(performance);
    mocks.push(mock.method(performance, 'now', () => now() + later));
    servers = await LinkedServers.start(['a.test', 'b.test']);
    watchClaims();
  });
  after(async () => {
    for (const { client } of clients) client.stopClient();
    await servers?.remove();
    for (const { mock: mocked } of mocks) mocked.restore();
    unmute();
  });

  /** Notes which keys are given out; the test may step in. */
  function watchClaims(stepIn: (call: Answered) => boolean | Promise<boolean> = () => true): void {
    servers.watch((call) => {
      if (call.path.includes('/user/keys/claim') && call.status === 200) claims.push(call);
      return stepIn(call);
    });
  }

  async function started(server: string, name: Name, isNew = true): Promise<EncryptedClient> {
    const { url } = servers.get(server);
    const account = await (isNew ? registerWithSdk : loginWithSdk)(url, name, passwords[name]);
    const opened = await startEncrypted(url, account);
    clients.push(opened);
    return opened;
  }

  /** Starts a server again; its people’s clients look at once, as they do when a device is back in the network. */
  async function isBack(server: string): Promise<void> {
    await servers.restart(server);
    for (const { client } of clients) client.retryImmediately();
  }

  async function say(who: MatrixClient, text: string): Promise<string> {
    return (await who.sendTextMessage(room, text)).event_id;
  }

  async function isHeard(id: string, text: string, ...by: EncryptedClient[]): Promise<void> {
    for (const { client } of by) {
      const event = await untilDecrypted(client, room, id);
      assert.equal(event.isEncrypted(), true);
      assert.equal(event.getContent()['body'], text);
    }
  }

  function untilMember(of: EncryptedClient, who: EncryptedClient): Promise<true> {
    const userId = who.client.getSafeUserId();
    return until(
      of.client,
      `${userId} in the room`,
      () => of.client.getRoom(room)?.getMember(userId)?.membership === 'join',
    );
  }

  async function comesIn(guest: EncryptedClient, ...others: EncryptedClient[]): Promise<void> {
    await alice.client.invite(room, guest.client.getSafeUserId());
    await untilRoom(guest.client, room, 'invite');
    await guest.client.joinRoom(room);
    await untilRoom(guest.client, room, 'join');
    for (const other of others) {
      await untilMember(other, guest);
      await untilMember(guest, other);
    }
  }

  function sees(viewer: EncryptedClient, device: EncryptedClient): Promise<void> {
    const { userId, deviceId } = device.account;
    return eventually(`${deviceId} as verified`, async () => {
      const status = await viewer.client.getCrypto()?.getDeviceVerificationStatus(userId, deviceId);
      return status?.crossSigningVerified === true;
    });
  }

  it('Alice invites Bob of the other server to an encrypted room; messages go both ways', async () => {
    alice = await started('a.test', 'alice');
    bob = await started('b.test', 'bob');
    const made = await alice.client.createRoom({
      preset: Preset.PrivateChat,
      initial_state: [
        { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
    });
    room = made.room_id;
    await untilRoom(alice.client, room, 'join');
    await comesIn(bob, alice);
    first = await say(alice.client, 'Nobody else reads this');
    await isHeard(first, 'Nobody else reads this', bob);
    await isHeard(await say(bob.client, 'Nobody at all'), 'Nobody at all', alice);
  });

  it('people of either server who join late read what is said from then on', async () => {
    carol = await started('b.test', 'carol');
    await comesIn(carol, alice, bob);
    await isHeard(await say(alice.client, 'Welcome, Carol'), 'Welcome, Carol', bob, carol);
    dan = await started('a.test', 'dan');
    await comesIn(dan, alice, bob, carol);
    await isHeard(await say(bob.client, 'Welcome, Dan'), 'Welcome, Dan', alice, carol, dan);
    await isHeard(await say(carol.client, 'Hello, Dan'), 'Hello, Dan', alice, bob, dan);
    await isHeard(await say(dan.client, 'Thank you both'), 'Thank you both', alice, bob, carol);
  });

  it('Alice and Bob set up cross-signing, and Alice a key backup', async () => {
    for (const { client } of [alice, bob]) {
      const crypto = client.getCrypto();
      assert.ok(crypto);
      await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (request) => request(null).then(() => {}),
      });
      const key = await crypto.createRecoveryKeyFromPassphrase();
      await crypto.bootstrapSecretStorage({
        createSecretStorageKey: () => Promise.resolve(key),
        setupNewSecretStorage: true,
        setupNewKeyBackup: client === alice.client,
      });
      assert.equal(await crypto.isCrossSigningReady(), true);
    }
    const crypto = alice.client.getCrypto();
    await crypto?.checkKeyBackupAndEnable();
    await eventually('session keys in the backup', async () => {
      return Number((await crypto?.getKeyBackupInfo())?.count ?? 0) >= 4;
    });
  });

  it('they verify each other by emoji, over messages between their devices on two servers', async () => {
    const { userId, deviceId } = bob.account;
    await eventually('the cross-signing keys of Bob', async () => {
      return (await alice.client.getCrypto()?.userHasCrossSigningKeys(userId, true)) === true;
    });
    await eventually('the cross-signing keys of Alice', async () => {
      return (await bob.client.getCrypto()?.userHasCrossSigningKeys(alice.account.userId, true)) === true;
    });
    await verifyByEmoji(alice.client, bob.client, (crypto) => crypto.requestDeviceVerification(userId, deviceId));
    for (const [viewer, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      await eventually(`${other.account.userId} as verified`, async () => {
        const status = await viewer.client.getCrypto()?.getUserVerificationStatus(other.account.userId);
        return status?.isCrossSigningVerified() === true;
      });
    }
  });

  it('a new device of Alice is verified from the first one; the other server sees that', async () => {
    tablet = await started('a.test', 'alice', false);
    const crypto = tablet.client.getCrypto();
    assert.ok(crypto);
    assert.equal(await crypto.userHasCrossSigningKeys(undefined, true), true);
    await verifyByEmoji(tablet.client, alice.client, () => crypto.requestOwnUserVerification());
    for (const viewer of [tablet, alice, bob]) await sees(viewer, tablet);
  });

  it('what it gets from the first one restores the backup, and so the history', async () => {
    const crypto = tablet.client.getCrypto();
    assert.ok(crypto);
    await eventually('the key of the backup', async () => (await crypto.getSessionBackupPrivateKey()) !== null);
    await crypto.checkKeyBackupAndEnable();
    const { imported } = await crypto.restoreKeyBackup();
    assert.ok(imported >= 4, `${imported}`);
    await tablet.client.scrollback(tablet.client.getRoom(room) as never, 100);
    await isHeard(first, 'Nobody else reads this', tablet);
    await isHeard(await say(bob.client, 'Hello, tablet'), 'Hello, tablet', tablet, alice, carol, dan);
  });

  for (const [down, speaker, listeners] of [
    ['b.test', () => alice, () => [bob, carol, dan, tablet]],
    ['a.test', () => bob, () => [alice, carol, dan, tablet]],
  ] as const) {
    it(`what is said while ${down} is down is read there when it is back`, async () => {
      const { client } = speaker();
      await servers.get(down).stop();
      // A new key, which the devices of the other server do not have yet.
      await client.getCrypto()?.forceDiscardSession(room);
      const said = [await say(client, `${down} is away`), await say(client, 'and still away')] as const;
      await isBack(down);
      await isHeard(said[0], `${down} is away`, ...listeners());
      await isHeard(said[1], 'and still away', ...listeners());
      await isHeard(await say(client, 'welcome back'), 'welcome back', ...listeners());
    });
  }

  for (const [killed, when] of [
    ['b.test', 'has given out a key and not answered'],
    ['a.test', 'has got a key for its client and not handed it over'],
  ] as const) {
    it(`a new device reads on although ${killed} is killed when it ${when}`, async () => {
      let deaths = 0;
      watchClaims(async (call) => {
        if (!call.path.includes('/user/keys/claim') || deaths > 0) return true;
        deaths++;
        await servers.get(killed).stop('SIGKILL');
        return false;
      });
      const phone = await started('b.test', 'bob', false);
      await eventually('the new device', async () => {
        const devices = await alice.client.getCrypto()?.getUserDeviceInfo([bob.account.userId]);
        return devices?.get(bob.account.userId)?.has(phone.account.deviceId) === true;
      });
      alice.client.getCrypto()?.prepareToEncrypt(alice.client.getRoom(room) as never);
      await eventually('the end of the server', () => Promise.resolve(deaths === 1));
      watchClaims();
      await isBack(killed);
      later += 60_000;
      const text = `${killed} was killed`;
      await isHeard(await say(alice.client, text), text, phone, bob, carol, dan, tablet);
    });
  }

  it('no key was given out twice', () => {
    const given = claims.flatMap(({ to, body }) => {
      const { one_time_keys: users } = JSON.parse(body) as {
        one_time_keys: Record<string, Record<string, Record<string, { fallback?: boolean }>>>;
      };
      return Object.entries(users).flatMap(([userId, devices]) =>
        Object.entries(devices).flatMap(([deviceId, keys]) =>
          Object.entries(keys).flatMap(([id, key]) =>
            key.fallback === true ? [] : [`${to} ${userId} ${deviceId} ${id}`],
          ),
        ),
      );
    });
    assert.ok(given.length >= 6, `${given.length}`);
    assert.equal(new Set(given).size, given.length);
  });
});
