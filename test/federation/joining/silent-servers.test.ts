import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { joins } from '../partial/partial-world.ts';
import { Guest, isUnknown, nothingIsLeft } from './joining-world.ts';

const keyPath = '/_matrix/key/v2/server';
const queryPath = '/_matrix/key/v2/query';
const silence = () => new Promise<JsonObject>(() => undefined);
const day = 24 * 3600 * 1000;

/** A room with its creator's server and thirty more with one member each, of which every other never answers anybody. */
class Stage {
  readonly universe: Universe;
  readonly x: ScriptedServer;
  readonly room: ScriptedRoom;
  readonly servers: readonly ScriptedServer[];
  readonly silent: ReadonlySet<string>;

  constructor(universe: Universe, omits: boolean) {
    this.universe = universe;
    this.x = universe.script('x.test');
    this.x.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
    this.room = ScriptedRoom.create(this.x, '11').serve();
    this.room.omitsMembers = omits;
    this.servers = Array.from({ length: 30 }, (_, n) => universe.script(`s${n}.test`));
    const silent = this.servers.filter((_, n) => n % 2 === 1);
    for (const server of silent) server.on('GET', keyPath, silence);
    this.silent = new Set(silent.map(({ name }) => name));
    for (const server of this.servers) joins(this.room, server, 'member');
  }

  /** A notary, and what it says about a server; `undefined`: nothing. */
  notary(tell: (server: ScriptedServer, notary: ScriptedServer) => JsonObject | undefined): void {
    const notary = this.universe.script('n.test');
    notary.on('POST', queryPath, ({ body }) => ({
      server_keys: [this.x, ...this.servers]
        .filter(({ name }) => name in body.server_keys)
        .map((server) => tell(server, notary))
        .filter((answer) => answer !== undefined),
    }));
  }

  async join(alice: Guest): Promise<{ status: number; minutes: number }> {
    const { clock } = this.universe;
    const began = clock.monotonic();
    let status = 0;
    const joined = alice.join(this.room.roomId, ['x.test']).then((answer) => (status = answer.status));
    await this.#pass(() => status !== 0);
    await joined;
    if (status === 200) await this.#pass(() => !this.#isPartial());
    return { status, minutes: (clock.monotonic() - began) / 60_000 };
  }

  /** Lets time go by until it is so. */
  #pass(isSo: () => boolean): Promise<void> {
    return this.universe.until(() => {
      if (!isSo()) this.universe.clock.advance(40);
      return isSo();
    });
  }

  #isPartial(): boolean {
    const { stores } = this.universe.world('a.test').hs;
    const room = stores.interning.findRoom(this.room.roomId);
    return room === undefined || stores.partialRooms.has(room);
  }

  /** Joined members as our server has them, but for its own. */
  members(): string[] {
    const { roomState, interning } = this.universe.world('a.test').hs.stores;
    const room = interning.findRoom(this.room.roomId);
    assert.ok(room !== undefined);
    return roomState
      .joinedMembers(room, { limit: 100 })
      .map(({ user }) => interning.userId(user))
      .filter((user) => !user.endsWith(':a.test'));
  }

  asked(server: string, path: string): number {
    return this.universe.calls.filter(({ to, uri }) => to === server && uri === path).length;
  }
}

const vouched = (server: ScriptedServer, notary: ScriptedServer) =>
  signJson(server.publishedKeys(), notary.name, notary.key);

/** Keys that nobody but the notary has. */
function madeUp(server: ScriptedServer, notary: ScriptedServer): JsonObject {
  const key = new SigningKey(asKeyId('ed25519:s1'), createHash('sha256').update(`made up ${server.name}`).digest());
  const verify_keys = { [key.keyId]: { key: key.publicKeyBase64 } };
  const until = Date.UTC(2027, 0, 1) + day;
  const answer = { server_name: server.name, verify_keys, old_verify_keys: {}, valid_until_ts: until };
  return signJson(signJson(answer, asServerName(server.name), key), notary.name, notary.key);
}

const notaries: readonly (readonly [
  what: string,
  settings: Readonly<Record<string, unknown>>,
  prepare: (stage: Stage) => void,
  /** Whether the notary knows the keys of servers that do not answer any more. */
  remembers?: boolean,
])[] = [
  ['without a notary', {}, () => undefined],
  [
    'with a notary that knows those that answer',
    { notaries: ['n.test'] },
    (stage) => stage.notary((server, n) => (stage.silent.has(server.name) ? undefined : vouched(server, n))),
  ],
  ['with a notary that knows all of them', { notaries: ['n.test'] }, (stage) => stage.notary(vouched), true],
  [
    'with a notary that is silent',
    { notaries: ['n.test'] },
    ({ universe }) => void universe.script('n.test').on('POST', queryPath, silence),
  ],
  [
    'with a notary that lies, and does not sign it',
    { notaries: ['n.test'] },
    (stage) => stage.notary((server, notary) => ({ ...madeUp(server, notary), signatures: {} })),
  ],
  ['with a notary that speaks of others', { notaries: ['n.test'] }, (stage) => stage.notary((_, n) => vouched(n, n))],
  [
    'with a silent notary behind a useless one',
    { notaries: ['m.test', 'n.test'] },
    ({ universe }) => {
      universe.script('m.test').on('POST', queryPath, () => ({ server_keys: 'none' }));
      universe.script('n.test').on('POST', queryPath, silence);
    },
  ],
];

describe('a room of whose servers half never answer for their keys', () => {
  for (const omits of [false, true]) {
    const how = omits ? 'whose members come later' : 'with its members at once';
    for (const [what, federation, prepare, remembers = false] of notaries) {
      it(`is entered ${how}, without those nobody can vouch for, ${what}`, async () => {
        await using universe = await Universe.open(['a.test'], { federation });
        const stage = new Stage(universe, omits);
        prepare(stage);
        const alice = await Guest.register(universe.world('a.test'), 'alice');
        const { status, minutes } = await stage.join(alice);
        assert.equal(status, 200);
        assert.ok(minutes < 2, `it took ${minutes} minutes`);
        const known = stage.servers.filter(({ name }) => remembers || !stage.silent.has(name));
        assert.deepEqual(
          stage.members().toSorted(),
          [stage.room.creator, ...known.map((server) => server.user('member'))].toSorted(),
        );
        for (const name of stage.silent) assert.ok(stage.asked(name, keyPath) <= 2);
        assert.ok(stage.asked('n.test', queryPath) <= 2);
        const info = universe
          .world('a.test')
          .hs.stores.roomState.info(universe.world('a.test').hs.stores.interning.findRoom(stage.room.roomId) as never);
        assert.deepEqual([info?.joined, info?.servers], [known.length + 2, known.length + 2]);
        nothingIsLeft(universe.world('a.test'));
      });
    }
  }

  it('is not entered with keys that a notary has made up, and the user is told whose word was not good', async () => {
    await using universe = await Universe.open(['a.test'], { federation: { notaries: ['n.test'] } });
    const stage = new Stage(universe, true);
    stage.notary(madeUp);
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const { status } = await stage.join(alice);
    assert.equal(status, 502);
    isUnknown(universe.world('a.test'), stage.room.roomId);
  });
});
