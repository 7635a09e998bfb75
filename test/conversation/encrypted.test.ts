import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { EventType, type MatrixClient, type MatrixEvent, Preset } from 'matrix-js-sdk';
import { decodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js';
import {
  type EncryptedClient,
  eventually,
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  type SdkAccount,
  startEncrypted,
  until,
  untilDecrypted,
  untilRoom,
} from '../support/clients/sdk-client.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

const passwords = { alice: 'alice has a password', bob: 'bob has a password too', carol: 'carol has one as well' };

/** The steps build on each other: one conversation, told in order. */
describe('people talk encrypted through Hearth with matrix-js-sdk and its Rust crypto', () => {
  let server: ServerProcess;
  const clients: EncryptedClient[] = [];
  let aliceAccount: SdkAccount;
  let alice: EncryptedClient;
  let bob: EncryptedClient;
  let carol: EncryptedClient;
  let tablet: EncryptedClient;
  let room: string;
  let first: string;
  let recoveryKey: string;

  let unmute = (): void => {};
  // The SDK waits for random times, up to ten seconds, before it backs up keys and before it connects anew.
  let random: { mock: { restore(): void } } | undefined;
  before(() => {
    unmute = muteSdk();
    random = mock.method(Math, 'random', () => 0);
  });
  after(async () => {
    for (const { client } of clients) client.stopClient();
    await server?.remove();
    random?.mock.restore();
    unmute();
  });

  async function started(account: SdkAccount): Promise<EncryptedClient> {
    const opened = await startEncrypted(server.url, account);
    clients.push(opened);
    return opened;
  }

  const bodyOf = (event: MatrixEvent): unknown => event.getContent()['body'];

  async function isHeard(by: EncryptedClient, id: string, text: string): Promise<void> {
    const event = await untilDecrypted(by.client, room, id);
    assert.equal(event.isEncrypted(), true);
    assert.equal(bodyOf(event), text);
  }

  async function say(who: MatrixClient, text: string): Promise<string> {
    return (await who.sendTextMessage(room, text)).event_id;
  }

  it('both sign up and publish the keys of their devices', async () => {
    server = await ServerProcess.start();
    aliceAccount = await registerWithSdk(server.url, 'alice', passwords.alice);
    alice = await started(aliceAccount);
    bob = await started(await registerWithSdk(server.url, 'bob', passwords.bob));
    const devices = await bob.client.getCrypto()?.getUserDeviceInfo([aliceAccount.userId], true);
    assert.deepEqual([...(devices?.get(aliceAccount.userId)?.keys() ?? [])], [aliceAccount.deviceId]);
  });

  it('Alice makes an encrypted room; messages go both ways', async () => {
    const made = await alice.client.createRoom({
      preset: Preset.PrivateChat,
      invite: [bob.client.getSafeUserId()],
      initial_state: [
        { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
    });
    room = made.room_id;
    await untilRoom(bob.client, room, 'invite');
    await bob.client.joinRoom(room);
    await untilRoom(alice.client, room, 'join');
    await until(
      alice.client,
      'the join of Bob',
      () => alice.client.getRoom(room)?.getMember(bob.client.getSafeUserId())?.membership === 'join',
    );
    first = await say(alice.client, 'Nobody else reads this');
    await isHeard(bob, first, 'Nobody else reads this');
    await isHeard(alice, await say(bob.client, 'Nobody at all'), 'Nobody at all');
  });

  it('Carol joins late and reads what is said from then on', async () => {
    carol = await started(await registerWithSdk(server.url, 'carol', passwords.carol));
    await alice.client.invite(room, carol.client.getSafeUserId());
    await untilRoom(carol.client, room, 'invite');
    await carol.client.joinRoom(room);
    await untilRoom(carol.client, room, 'join');
    for (const { client } of [alice, bob]) {
      await until(
        client,
        'the join of Carol',
        () => client.getRoom(room)?.getMember(carol.client.getSafeUserId())?.membership === 'join',
      );
    }
    const welcome = await say(alice.client, 'Welcome, Carol');
    await isHeard(carol, welcome, 'Welcome, Carol');
    await isHeard(bob, welcome, 'Welcome, Carol');
    await isHeard(alice, await say(carol.client, 'Thank you'), 'Thank you');
  });

  it('Alice sets up cross-signing, secret storage and a key backup', async () => {
    const crypto = alice.client.getCrypto();
    assert.ok(crypto);
    await crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (request) => {
        await request(null);
      },
    });
    const key = await crypto.createRecoveryKeyFromPassphrase();
    recoveryKey = key.encodedPrivateKey as string;
    await crypto.bootstrapSecretStorage({
      createSecretStorageKey: () => Promise.resolve(key),
      setupNewSecretStorage: true,
      setupNewKeyBackup: true,
    });
    assert.equal(await crypto.isCrossSigningReady(), true);
    await crypto.checkKeyBackupAndEnable();
    const counted = async () => Number((await alice.client.getCrypto()?.getKeyBackupInfo())?.count ?? 0);
    await eventually('backed-up session keys', async () => (await counted()) >= 3);
  });

  it('a new device of Alice is verified by cross-signing', async () => {
    tablet = await started(await loginWithSdk(server.url, 'alice', passwords.alice));
    tablet.secretKey = decodeRecoveryKey(recoveryKey);
    const crypto = tablet.client.getCrypto();
    assert.ok(crypto);
    assert.equal(await crypto.userHasCrossSigningKeys(undefined, true), true);
    await crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: () => Promise.reject(new Error('the keys are there already')),
    });
    await eventually('the device itself knowing that it is verified', async () => {
      const status = await crypto.getDeviceVerificationStatus(aliceAccount.userId, tablet.account.deviceId);
      return status?.crossSigningVerified === true;
    });
    await eventually('the first device seeing the second as verified', async () => {
      const seen = await alice.client
        .getCrypto()
        ?.getDeviceVerificationStatus(aliceAccount.userId, tablet.account.deviceId);
      return seen?.crossSigningVerified === true;
    });
  });

  it('the backup restores the history on it', async () => {
    const crypto = tablet.client.getCrypto();
    assert.ok(crypto);
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    const restored = await crypto.restoreKeyBackup();
    assert.ok(restored.imported >= 3, `${restored.imported}`);
    await isHeard(tablet, first, 'Nobody else reads this');
  });

  it('the new device takes part from then on', async () => {
    await isHeard(tablet, await say(bob.client, 'Hello, tablet'), 'Hello, tablet');
    await isHeard(bob, await say(tablet.client, 'Still here'), 'Still here');
    await isHeard(carol, await say(alice.client, 'Me too'), 'Me too');
  });

  it('a device that logs out is gone from the list of others', async () => {
    await tablet.client.logout(true);
    await eventually('one device of Alice', async () => {
      const devices = await bob.client.getCrypto()?.getUserDeviceInfo([aliceAccount.userId]);
      return devices?.get(aliceAccount.userId)?.size === 1;
    });
  });
});
