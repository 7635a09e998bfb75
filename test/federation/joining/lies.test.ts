import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Reply } from '../../../src/api/http/types.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest, isUnknown } from './joining-world.ts';

const makeJoin = '/_matrix/federation/v1/make_join/{}/{}';
const sendJoin = '/_matrix/federation/v2/send_join/{}/{}';

/** What an honest server says, for others to change. */
type Answer = Record<'state' | 'auth_chain', Pdu[]> & { event: Pdu; [key: string]: unknown };

interface Stage {
  readonly universe: Universe;
  readonly room: ScriptedRoom;
  readonly evil: ScriptedServer;
  readonly alice: Guest;
}

async function stage(universe: Universe, version = '11'): Promise<Stage> {
  const evil = universe.script('evil.test');
  const room = ScriptedRoom.create(evil, version).serve();
  room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'honest' } });
  const alice = await Guest.register(universe.world('a.test'), 'alice');
  return { universe, room, evil, alice };
}

/** Changes what the honest server answers to a join. */
function answering({ room, evil }: Stage, change: (answer: Answer) => unknown): void {
  evil.on('PUT', sendJoin, ({ body }) => {
    const eventId = room.take(body);
    const state = [...(room.entries.get(eventId)?.before.values() ?? [])].map((id) => room.pdu(id));
    const answer = { origin: evil.name, event: body, state, auth_chain: [...state] } as Answer;
    return (change(answer) ?? answer) as JsonObject;
  });
}

function templating({ room, evil }: Stage, change: (event: JsonObject, answer: JsonObject) => void): void {
  evil.on('GET', makeJoin, ({ params }) => {
    const sender = params[1] as Pdu['sender'];
    const { pdu } = room.build({ type: 'm.room.member', sender, stateKey: sender, content: { membership: 'join' } });
    const { hashes: _hashes, signatures: _signatures, ...event } = pdu;
    const answer: JsonObject = { event: event as JsonObject, room_version: room.version };
    change(event as JsonObject, answer);
    return answer;
  });
}

const templates: [what: string, change: (event: JsonObject, answer: JsonObject) => void][] = [
  ['about another user', (event) => (event['state_key'] = '@bob:a.test')],
  ['from another user', (event) => (event['sender'] = '@bob:a.test')],
  ['of another room', (event) => (event['room_id'] = '!other:evil.test')],
  ['of another type', (event) => (event['type'] = 'm.room.power_levels')],
  ['of another membership', (event) => (event['content'] = { membership: 'leave' })],
  ['without a place', (event) => (event['prev_events'] = [])],
  ['with a place that is none', (event) => (event['prev_events'] = [7])],
  [
    'with too many auth events',
    (event) => (event['auth_events'] = Array(11).fill((event['prev_events'] as string[])[0])),
  ],
  ['of an unknown depth', (event) => (event['depth'] = 'deep')],
  ['of an unknown room version', (_event, answer) => (answer['room_version'] = 'evil.1')],
  ['of a room version that it is not', (_event, answer) => (answer['room_version'] = '10')],
  [
    'in which somebody else is to vouch',
    (event) => (event['content'] = { membership: 'join', join_authorised_via_users_server: '@victim:victim.test' }),
  ],
];

const isType = (type: string) => (pdu: Pdu) => pdu.type === type;
const without = (type: string) => (answer: Answer) => {
  answer.state = answer.state.filter((pdu) => !isType(type)(pdu));
  answer.auth_chain = answer.auth_chain.filter((pdu) => !isType(type)(pdu));
};
const forged = (type: string) => (answer: Answer) => {
  for (const list of ['state', 'auth_chain'] as const) {
    answer[list] = answer[list].map((pdu) =>
      pdu.type === type ? { ...pdu, signatures: { 'evil.test': { 'ed25519:s1': 'A'.repeat(86) } } } : pdu,
    );
  }
};

const answers: [what: string, change: (answer: Answer) => unknown][] = [
  ['without a create event', without('m.room.create')],
  ['without join rules', without('m.room.join_rules')],
  ['with a create event of a forged signature', forged('m.room.create')],
  ['with join rules of a forged signature', forged('m.room.join_rules')],
  ['without an auth chain and with no state', (answer) => void Object.assign(answer, { state: [], auth_chain: [] })],
  ['with two events for one key', (answer) => void answer.state.push({ ...(answer.state[0] as Pdu), depth: 77 })],
  ['whose state is no list', (answer) => void Object.assign(answer, { state: {} })],
  ['that is a list', () => raw(['[200,{}]'])],
  ['that is no JSON', () => raw(['{"state":[{"a":}]}'])],
  ['that is cut off', () => raw(['{"state":[{"type":"m.room.cre'])],
  ['that breaks off', () => raw(['{"state":[', new Error('gone')])],
  ['with an event beyond all limits', () => raw(['{"state":["', ...Array(64).fill('x'.repeat(16_384)), '"]}'])],
  ['nested beyond all limits', () => raw([`{"state":[${'['.repeat(5000)}${']'.repeat(5000)}]}`])],
];

function raw(pieces: (string | Error)[]): Reply {
  const body = Readable.from(
    (function* () {
      for (const piece of pieces) {
        if (piece instanceof Error) throw piece;
        yield Buffer.from(piece);
      }
    })(),
  );
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body };
}

describe('a server that lies about a room', () => {
  for (const [what, change] of templates) {
    it(`gets nothing signed with a template ${what}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const at = await stage(universe);
      templating(at, change);
      const { status, json } = await at.alice.join(at.room.roomId, ['evil.test']);
      assert.ok(status >= 400, JSON.stringify(json));
      if (!what.includes('that it is not')) {
        assert.deepEqual(
          universe.calls.filter(({ uri }) => uri.includes('/send_join/')),
          [],
        );
      }
      isUnknown(universe.world('a.test'), at.room.roomId);
    });
  }

  for (const [what, change] of answers) {
    it(`does not get us in by an answer ${what}, and nothing of it is left`, async () => {
      await using universe = await Universe.open(['a.test']);
      const at = await stage(universe);
      answering(at, change);
      const { status, json } = await at.alice.join(at.room.roomId, ['evil.test']);
      assert.equal(status, 502, JSON.stringify(json));
      isUnknown(universe.world('a.test'), at.room.roomId);
      assert.equal((await at.alice.sync()).rooms?.join?.[at.room.roomId], undefined);
      // There it counts as joined, and is told that it is not.
      assert.ok(universe.calls.some(({ uri }) => uri.includes('/send_leave/')));
    });
  }

  it('does not keep us out of the room where another tells the truth', async () => {
    await using universe = await Universe.open(['a.test']);
    const at = await stage(universe);
    const honest = universe.script('honest.test');
    for (const half of [makeJoin, sendJoin]) {
      const method = half === makeJoin ? 'GET' : 'PUT';
      honest.on(method, half, async ({ path, body }) => {
        const { json } = await honest.request('evil.test', method, path, body);
        return json;
      });
    }
    const liar = universe.script('liar.test');
    liar.on('GET', makeJoin, async ({ path }) => (await liar.request('evil.test', 'GET', path)).json);
    liar.on('PUT', sendJoin, () => ({ state: [], auth_chain: [] }));
    const { status } = await at.alice.join(at.room.roomId, ['liar.test', 'honest.test']);
    assert.equal(status, 200);
  });

  it('does not keep us from asking another one by an answer that it draws out', async () => {
    await using universe = await Universe.open(['a.test']);
    const at = await stage(universe);
    const liar = universe.script('liar.test');
    liar.on('GET', makeJoin, async ({ path }) => (await liar.request('evil.test', 'GET', path)).json);
    let sent = 0;
    let goOn: (() => void) | undefined;
    liar.on('PUT', sendJoin, () => {
      async function* drawnOut(): AsyncGenerator<Buffer> {
        yield Buffer.from('{"state":[');
        for (; ; sent++) {
          yield Buffer.from(' ');
          await new Promise<void>((resolve) => (goOn = resolve));
        }
      }
      return { status: 200, headers: {}, body: Readable.from(drawnOut()) };
    });
    let status = 0;
    const joined = at.alice.join(at.room.roomId, ['liar.test', 'evil.test']).then((answer) => (status = answer.status));
    await universe.until(() => {
      const next = goOn;
      goOn = undefined;
      if (next !== undefined) universe.clock.advance(1000);
      next?.();
      return status !== 0;
    });
    await joined;
    assert.equal(status, 200);
    assert.ok(sent > 100 && sent <= 300, `${sent} bytes were waited for`);
  });

  it('leaves out events that are none', async () => {
    await using universe = await Universe.open(['a.test']);
    const at = await stage(universe);
    answering(at, (answer) => {
      forged('m.room.topic')(answer);
      answer.state.push({ ...(answer.state[0] as Pdu), type: 'm.room.name', content: { name: 'forged' } });
      answer.state.push('rubbish' as unknown as Pdu);
    });
    assert.equal((await at.alice.join(at.room.roomId, ['evil.test'])).status, 200);
    const state = await at.alice.ok('GET', `/rooms/${encodeURIComponent(at.room.roomId)}/state`);
    const types = state.map(({ type }: { type: string }) => type);
    assert.ok(types.includes('m.room.create'));
    assert.ok(!types.includes('m.room.topic') && !types.includes('m.room.name'));
  });
});
