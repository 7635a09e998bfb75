import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { EventType, Preset } from 'matrix-js-sdk';
import { hearth } from '../cli/command.ts';
import {
  type EncryptedClient,
  eventually,
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  startEncrypted,
  untilDecrypted,
  untilRoom,
  verifyByEmoji,
} from '../support/clients/sdk-client.ts';
import { LinkedServers } from '../support/servers/linked-servers.ts';

const passwords = { alice: 'alice has a password', bob: 'bob has a password too' };

/** The steps build on each other. */
describe('an encrypted conversation with people of a server that is restored from a backup', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-backup-'));
  let servers: LinkedServers;
  const clients: EncryptedClient[] = [];
  let laptop: EncryptedClient;
  let tablet: EncryptedClient;
  let bob: EncryptedClient;
  let room: string;
  const said: [id: string, text: string][] = [];

  let unmute = (): void => {};
  let random: { mock: { restore(): void } } | undefined;
  before(async () => {
    unmute = muteSdk();
    // The SDK waits for random times before it backs up keys and before it connects anew.
    random = mock.method(Math, 'random', () => 0);
    servers = await LinkedServers.start(['a.test', 'b.test']);
  });
  after(async () => {
    for (const { client } of clients) client.stopClient();
    await servers?.remove();
    rmSync(folder, { recursive: true });
    random?.mock.restore();
    unmute();
  });

  async function started(server: string, name: keyof typeof passwords, isNew = true): Promise<EncryptedClient> {
    const account = await (isNew ? registerWithSdk : loginWithSdk)(servers.get(server).url, name, passwords[name]);
    const opened = await startEncrypted(servers.get(server).url, account);
    clients.push(opened);
    return opened;
  }

  /** With a key that nobody has yet. */
  async function say(who: EncryptedClient, text: string): Promise<void> {
    await who.client.getCrypto()?.forceDiscardSession(room);
    said.push([(await who.client.sendTextMessage(room, text)).event_id, text]);
  }

  async function readEverything(...readers: EncryptedClient[]): Promise<void> {
    for (const { client } of readers) {
      for (const [id, text] of said) {
        const event = await untilDecrypted(client, room, id);
        assert.equal(event.getContent()['body'], text);
      }
    }
  }

  it('Alice and Bob of two servers talk; Alice has a second device and a key backup', async () => {
    laptop = await started('a.test', 'alice');
    bob = await started('b.test', 'bob');
    const crypto = laptop.client.getCrypto();
    assert.ok(crypto);
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (request) => request(null).then(() => {}) });
    const key = await crypto.createRecoveryKeyFromPassphrase();
    await crypto.bootstrapSecretStorage({
      createSecretStorageKey: () => Promise.resolve(key),
      setupNewSecretStorage: true,
      setupNewKeyBackup: true,
    });
    await crypto.checkKeyBackupAndEnable();
    tablet = await started('a.test', 'alice', false);
    const ofTablet = tablet.client.getCrypto();
    assert.ok(ofTablet);
    assert.equal(await ofTablet.userHasCrossSigningKeys(undefined, true), true);
    await verifyByEmoji(tablet.client, laptop.client, () => ofTablet.requestOwnUserVerification());
    await eventually('the key of the backup', async () => (await ofTablet.getSessionBackupPrivateKey()) !== null);
    await ofTablet.checkKeyBackupAndEnable();
    const made = await laptop.client.createRoom({
      preset: Preset.PrivateChat,
      invite: [bob.client.getSafeUserId()],
      initial_state: [
        { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
    });
    room = made.room_id;
    await untilRoom(bob.client, room, 'invite');
    await bob.client.joinRoom(room);
    for (const one of [laptop, tablet]) {
      await untilRoom(one.client, room, 'join');
      await eventually('the join of Bob', () =>
        Promise.resolve(one.client.getRoom(room)?.getMember(bob.client.getSafeUserId())?.membership === 'join'),
      );
    }
    await say(laptop, 'before');
    await say(bob, 'before as well');
    await readEverything(laptop, tablet, bob);
  });

  it('a backup is made, and they go on; then the server is lost', async () => {
    const made = await hearth(`backup ${folder}`, { folder: servers.get('a.test').dir });
    assert.equal(made.code, 0, made.stderr);
    // What comes from now on does not reach the second device: it waits for it on the server.
    tablet.line.cut();
    await say(bob, 'after the backup');
    await say(laptop, 'after the backup as well');
    const phone = await started('b.test', 'bob', false);
    await untilRoom(phone.client, room, 'join');
    // It uses up keys of Alice’s devices, which the backup still has.
    await say(phone, 'from a new device');
    await readEverything(laptop, bob);
    await servers.get('a.test').stop('SIGKILL');
    rmSync(servers.get('a.test').dataDir, { recursive: true });
    await say(bob, 'while nobody is there');
  });

  it('with the backup, every message is there and can be read, on all devices', async () => {
    const [backup = ''] = readdirSync(folder);
    const restored = await hearth(`restore ${join(folder, backup)}`, { folder: servers.get('a.test').dir });
    assert.equal(restored.code, 0, restored.stderr);
    await servers.restart('a.test');
    await readEverything(laptop, bob);
    // What waited for this one is lost with the server. The first device has brought all keys into the backup again,
    // which has a new version so that it knows that it must.
    const ofTablet = tablet.client.getCrypto();
    const headers = { authorization: `Bearer ${laptop.account.accessToken}` };
    await eventually('all keys in the backup', async () => {
      // The SDK’s own count is of when it looked last.
      const answer = await fetch(`${servers.get('a.test').url}/_matrix/client/v3/room_keys/version`, { headers });
      return ((await answer.json()) as { count: number }).count === said.length;
    });
    tablet.line.mend();
    await eventually('the new version', async () => Number(await ofTablet?.getActiveSessionBackupVersion()) > 1);
    await ofTablet?.restoreKeyBackup();
    await readEverything(tablet);
  });

  it('everybody talks on, new devices too', async () => {
    const fresh = await started('b.test', 'bob', false);
    await untilRoom(fresh.client, room, 'join');
    said.splice(0);
    await say(fresh, 'hello again');
    await say(laptop, 'hello');
    await say(tablet, 'hello from me');
    await say(bob, 'good to have you back');
    await readEverything(laptop, tablet, bob, fresh);
  });
});
