import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { QrCodeData, QrCodeIntent } from '@matrix-org/matrix-sdk-crypto-wasm';
import { createClient, EventType, Preset } from 'matrix-js-sdk';
import { CryptoEvent } from 'matrix-js-sdk/lib/crypto-api/index.js';
import { decodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js';
import {
  type MSC4108Payload,
  MSC4108RendezvousSession,
  MSC4108SecureChannel,
  PayloadType,
} from 'matrix-js-sdk/lib/rendezvous/index.js';
import {
  type EncryptedClient,
  eventually,
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  startEncrypted,
  untilDecrypted,
  untilRoom,
} from '../support/clients/sdk-client.ts';
import { freePort, ServerProcess } from '../support/servers/server-process.ts';

describe('new devices with matrix-js-sdk', () => {
  let server: ServerProcess;
  const clients: EncryptedClient[] = [];
  let unmute = (): void => {};
  let random: { mock: { restore(): void } } | undefined;
  before(async () => {
    unmute = muteSdk();
    random = mock.method(Math, 'random', () => 0);
    const port = await freePort();
    server = await ServerProcess.start({ port, env: { HEARTH_PUBLIC_URL: `http://127.0.0.1:${port}` } });
  });
  after(async () => {
    for (const { client } of clients) client.stopClient();
    await server?.remove();
    random?.mock.restore();
    unmute();
  });

  async function started(account: ReturnType<typeof registerWithSdk>): Promise<EncryptedClient> {
    const opened = await startEncrypted(server.url, await account);
    clients.push(opened);
    return opened;
  }

  it('read what was said while nobody was logged in, by the device that was asleep (MSC3814)', async () => {
    const password = 'alice has a password';
    const laptop = await started(registerWithSdk(server.url, 'alice', password));
    const bob = await started(registerWithSdk(server.url, 'bob', 'bob has a password too'));
    const { room_id: room } = await bob.client.createRoom({
      preset: Preset.PrivateChat,
      invite: [laptop.account.userId],
      initial_state: [
        { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
    });
    await untilRoom(laptop.client, room, 'invite');
    await laptop.client.joinRoom(room);

    const crypto = laptop.client.getCrypto();
    assert.ok(crypto);
    assert.equal(await crypto.isDehydrationSupported(), true);
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (request) => request(null).then(() => {}) });
    const key = await crypto.createRecoveryKeyFromPassphrase();
    await crypto.bootstrapSecretStorage({
      createSecretStorageKey: () => Promise.resolve(key),
      setupNewSecretStorage: true,
    });
    await eventually('the secret storage', () => crypto.isSecretStorageReady());
    await crypto.startDehydration();
    await laptop.client.logout(true);

    const said: string[] = [];
    for (const text of ['Are you there?', 'Good night']) {
      // A key for each, which nobody but the sleeping device gets.
      await bob.client.getCrypto()?.forceDiscardSession(room);
      said.push((await bob.client.sendTextMessage(room, text)).event_id);
    }

    const phone = await started(loginWithSdk(server.url, 'alice', password));
    phone.secretKey = decodeRecoveryKey(key.encodedPrivateKey as string);
    const awake: string[] = [];
    for (const event of [CryptoEvent.RehydrationCompleted, CryptoEvent.RehydrationError] as const) {
      phone.client.on(event, () => awake.push(event));
    }
    const phoneCrypto = phone.client.getCrypto();
    assert.ok(phoneCrypto);
    assert.equal(await phoneCrypto.userHasCrossSigningKeys(undefined, true), true);
    await phoneCrypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: () => Promise.reject(new Error('the keys are there already')),
    });
    await eventually('the secret storage', () => phoneCrypto.isSecretStorageReady());
    await phoneCrypto.startDehydration();
    assert.deepEqual(awake, [CryptoEvent.RehydrationCompleted]);
    for (const id of said) await untilDecrypted(phone.client, room, id);
    // The one that sleeps now is another, of the same name to the world.
    const devices = await bob.client.getCrypto()?.getUserDeviceInfo([phone.account.userId], true);
    const asleep = [...(devices?.get(phone.account.userId)?.values() ?? [])].filter(({ dehydrated }) => dehydrated);
    assert.equal(asleep.length, 1);
  });

  it('talk with one that is signed in over a place that a QR code names (MSC4108)', async () => {
    const { userId, accessToken } = await registerWithSdk(server.url, 'carol', 'carol has one as well');
    const signedIn = createClient({ baseUrl: server.url, userId, accessToken });
    const failures: string[] = [];
    const onFailure = (reason: string) => failures.push(reason);
    // The one that is signed in shows the code …
    const shown = new MSC4108RendezvousSession({ client: signedIn, onFailure });
    await shown.send('');
    const showing = new MSC4108SecureChannel(shown, undefined, onFailure);
    const code = QrCodeData.fromBytes(await showing.generateCode(QrCodeIntent.Reciprocate, 'hearth.test'));
    const { rendezvousUrl: url } = code;
    assert.ok(url !== undefined);
    assert.ok(url.startsWith(`${server.url}/_matrix/client/`));
    // … and the new one reads it.
    const read = new MSC4108RendezvousSession({ url, onFailure });
    const reading = new MSC4108SecureChannel(read, code.publicKey, onFailure);
    await Promise.all([showing.connect(), reading.connect()]);
    assert.equal(showing.getCheckCode(), reading.getCheckCode());
    interface Hello extends MSC4108Payload {
      readonly homeserver: string;
    }
    await showing.secureSend<Hello>({ type: PayloadType.Protocols, homeserver: 'hearth.test' });
    assert.equal((await reading.secureReceive<Hello>())?.homeserver, 'hearth.test');
    await reading.secureSend<MSC4108Payload>({ type: PayloadType.Protocol });
    assert.equal((await showing.secureReceive<MSC4108Payload>())?.type, PayloadType.Protocol);
    await showing.close();
    const gone = await fetch(url);
    assert.deepEqual([gone.status, failures], [404, []]);
  });
});
