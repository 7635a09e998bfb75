import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { EventType, Preset } from 'matrix-js-sdk';
import {
  type EncryptedClient,
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  startEncrypted,
  until,
  untilDecrypted,
  untilRoom,
} from '../support/clients/sdk-client.ts';
import { bothWays, Pair, type Side } from './pair.ts';

const names: Readonly<Record<Side, string>> = { Hearth: 'hilda', Synapse: 'sven' };

/** The steps build on each other: one conversation, told in order, with unmodified clients. */
describe('people on Hearth and on Synapse talk encrypted, with matrix-js-sdk and its Rust crypto', () => {
  let pair: Pair;
  let people: Record<Side, EncryptedClient>;
  const clients: EncryptedClient[] = [];
  /** By where it was made. */
  const rooms: Partial<Record<Side, string>> = {};
  const tablets: Partial<Record<Side, EncryptedClient>> = {};

  let unmute = (): void => {};
  // The SDK waits for random times, up to ten seconds, before it backs up keys and before it connects anew.
  let random: { mock: { restore(): void } } | undefined;

  before(async () => {
    unmute = muteSdk();
    random = mock.method(Math, 'random', () => 0);
    pair = await Pair.start();
    people = { Hearth: await newcomer('Hearth', names.Hearth), Synapse: await newcomer('Synapse', names.Synapse) };
  });

  after(async () => {
    for (const { client } of clients) client.stopClient();
    await pair[Symbol.asyncDispose]();
    random?.mock.restore();
    unmute();
  });

  async function newcomer(side: Side, name: string): Promise<EncryptedClient> {
    return started(side, await registerWithSdk(pair.url(side), name, passwordOf(name)));
  }

  async function started(side: Side, account: EncryptedClient['account']): Promise<EncryptedClient> {
    const opened = await startEncrypted(pair.url(side), account);
    clients.push(opened);
    return opened;
  }

  function passwordOf(name: string): string {
    return `${name} has a password`;
  }

  function roomOf(side: Side): string {
    const id = rooms[side];
    assert.ok(id, `the room on ${side}`);
    return id;
  }

  async function sees({ client }: EncryptedClient, room: string, member: EncryptedClient, membership: string) {
    const id = member.client.getSafeUserId();
    await until(client, `${membership} of ${id}`, () => client.getRoom(room)?.getMember(id)?.membership === membership);
  }

  async function isSaid(
    room: string,
    by: EncryptedClient,
    text: string,
    to: readonly EncryptedClient[],
  ): Promise<string> {
    const { event_id } = await by.client.sendTextMessage(room, text);
    for (const reader of to) {
      const event = await untilDecrypted(reader.client, room, event_id);
      assert.equal(event.isEncrypted(), true);
      assert.equal(event.getContent()['body'], text);
    }
    return event_id;
  }

  async function devicesOf(owner: EncryptedClient, asSeenBy: EncryptedClient): Promise<string[]> {
    const id = owner.client.getSafeUserId();
    const devices = await asSeenBy.client.getCrypto()?.getUserDeviceInfo([id], true);
    return [...(devices?.get(id)?.keys() ?? [])].toSorted();
  }

  for (const [here, there] of bothWays) {
    it(`in a room on ${here} into which the one on ${there} is invited`, async () => {
      const [host, guest] = [people[here], people[there]];
      const made = await host.client.createRoom({
        preset: Preset.PrivateChat,
        invite: [guest.client.getSafeUserId()],
        initial_state: [
          { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
        ],
      });
      rooms[here] = made.room_id;
      await untilRoom(guest.client, made.room_id, 'invite');
      await guest.client.joinRoom(made.room_id, { viaServers: [pair.names[here]] });
      await untilRoom(guest.client, made.room_id, 'join');
      await sees(host, made.room_id, guest, 'join');
      for (let turn = 0; turn < 5; turn++) {
        await isSaid(made.room_id, host, `Nobody else reads this (${turn})`, [guest]);
        await isSaid(made.room_id, guest, `Nobody at all (${turn})`, [host]);
      }
    });
  }

  for (const [here, there] of bothWays) {
    it(`with a third who joins the room on ${here} late, from ${there}`, async () => {
      const room = roomOf(here);
      const all = [people.Hearth, people.Synapse];
      const late = await newcomer(there, `late${there.toLowerCase()}`);
      await people[here].client.invite(room, late.client.getSafeUserId());
      await untilRoom(late.client, room, 'invite');
      await late.client.joinRoom(room, { viaServers: [pair.names[here]] });
      for (const each of [...all, late]) await sees(each, room, late, 'join');
      await isSaid(room, people[here], 'Welcome', [late, people[there]]);
      await isSaid(room, people[there], 'Welcome from me too', [late, people[here]]);
      await isSaid(room, late, 'Thank you', all);
    });
  }

  for (const [here, there] of bothWays) {
    it(`with cross-signing of ${here}, seen on ${there}`, async () => {
      const { client } = people[here];
      const crypto = client.getCrypto();
      assert.ok(crypto);
      await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: async (request) => {
          await request({
            type: 'm.login.password',
            identifier: { type: 'm.id.user', user: names[here] },
            password: passwordOf(names[here]),
          });
        },
      });
      const watcher = people[there].client.getCrypto();
      assert.ok(watcher);
      await eventually(`${there} knowing the keys`, () =>
        watcher.userHasCrossSigningKeys(client.getSafeUserId(), true),
      );
    });

    it(`with a new device on ${here} that takes part at once, and is signed`, async () => {
      const name = names[here];
      const other = people[there];
      const tablet = await started(here, await loginWithSdk(pair.url(here), name, passwordOf(name)));
      tablets[here] = tablet;
      await eventually(`${there} seeing two devices`, async () => (await devicesOf(people[here], other)).length === 2);
      assert.deepEqual(
        await devicesOf(people[here], other),
        [people[here].account.deviceId, tablet.account.deviceId].toSorted(),
      );
      for (const side of ['Hearth', 'Synapse'] as const) {
        const room = roomOf(side);
        await untilRoom(tablet.client, room, 'join');
        await isSaid(room, other, 'Hello, tablet', [tablet, people[here]]);
        await isSaid(room, tablet, 'Still here', [other, people[here]]);
      }
    });
  }

  for (const [here, there] of bothWays) {
    it(`also what is said on ${here} while ${there} cannot be reached`, async () => {
      const room = roomOf(here);
      pair.cut();
      const sent: string[] = [];
      for (let n = 0; n < 5; n++) sent.push(await isSaid(room, people[here], `Can you hear me? (${n})`, []));
      pair.heal();
      await isSaid(room, people[there], 'Now I can', [people[here]]);
      sent.push(await isSaid(room, people[here], 'Good', []));
      for (const id of sent) {
        for (const reader of [people[there], tablets[there]]) {
          assert.ok(reader);
          await untilDecrypted(reader.client, room, id);
        }
      }
    });
  }

  for (const [here, there] of bothWays) {
    it(`until a device on ${here} is gone, which ${there} sends nothing any more`, async () => {
      const [owner, other, tablet] = [people[here], people[there], tablets[here]];
      assert.ok(tablet);
      await tablet.client.logout(true);
      await eventually(`${there} seeing one device`, async () => (await devicesOf(owner, other)).length === 1);
      await isSaid(roomOf(there), other, 'Just you and me', [owner]);
      await isSaid(roomOf(here), owner, 'And the others', [other]);
    });
  }
});

/** Asks again and again; for what the SDK tells by no event. */
async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 150; turn++) {
    if (await look()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`never seen: ${what}`);
}
