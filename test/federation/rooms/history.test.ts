import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventIdOf } from '../../../src/protocol/events/hashes.ts';
import { readEvent } from '../../../src/protocol/events/read.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { type HostedRoom, host, join, own, say, setState } from './guests.ts';

const enc = encodeURIComponent;
const version = '11';
const rules = rulesOf(version);

interface Scene {
  readonly universe: Universe;
  readonly server: ScriptedServer;
  readonly room: HostedRoom;
  readonly ids: string[];
}

/** A room with five messages, of which the server that asks has been told nothing: it joined after them. */
async function scene(work: (scene: Scene) => Promise<void>, options: JsonObject = {}): Promise<void> {
  await using universe = await Universe.open([own]);
  const server = universe.script('b.test');
  const room = await host(universe, version, options);
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) {
    universe.clock.advance(1000);
    ids.push(await say(universe, room, `m${n}`));
  }
  await join(server, room, server.user('carol'));
  await work({ universe, server, room, ids });
}

const idOf = (pdu: JsonObject) => eventIdOf(pdu, rules);
const bodyOf = (pdu: JsonObject) => (pdu['content'] as JsonObject)['body'];

async function get(server: ScriptedServer, uri: string) {
  return server.request(own, 'GET', `/_matrix/federation/v1/${uri}`);
}

describe('what servers in a room may ask', () => {
  it('GET /event/{eventId}: one event', () =>
    scene(async ({ server, ids }) => {
      const { status, json } = await get(server, `event/${enc(ids[2] as string)}`);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(json.origin, own);
      assert.equal(typeof json.origin_server_ts, 'number');
      assert.deepEqual(json.pdus.map(bodyOf), ['m2']);
      assert.equal(idOf(json.pdus[0]), ids[2]);
      assert.equal((await get(server, `event/${enc(`$${'A'.repeat(43)}`)}`)).json.errcode, 'M_NOT_FOUND');
    }));

  it('GET /backfill/{roomId}: events and what came before them, newest first', () =>
    scene(async ({ server, room, ids }) => {
      const uri = `backfill/${enc(room.roomId)}?v=${enc(ids[4] as string)}`;
      const { status, json } = await get(server, `${uri}&limit=3`);
      assert.equal(status, 200, JSON.stringify(json));
      assert.deepEqual(json.pdus.map(idOf), [ids[4], ids[3], ids[2]]);
      const all = await get(server, `${uri}&limit=100000`);
      assert.equal(all.json.pdus.at(-1).type, 'm.room.create');
      for (const missing of [uri, `backfill/${enc(room.roomId)}?limit=3`]) {
        assert.equal((await get(server, missing)).json.errcode, 'M_MISSING_PARAM');
      }
    }));

  it('POST /get_missing_events/{roomId}: what lies between', () =>
    scene(async ({ server, room, ids }) => {
      const ask = (body: JsonObject) =>
        server.request(own, 'POST', `/_matrix/federation/v1/get_missing_events/${enc(room.roomId)}`, body);
      const [first, last] = [ids[0] as string, ids[4] as string];
      const range = { earliest_events: [first], latest_events: [last] };
      const { status, json } = await ask(range);
      assert.equal(status, 200, JSON.stringify(json));
      assert.deepEqual(json.events.map(idOf), ids.slice(1, 4));
      assert.deepEqual((await ask({ ...range, limit: 1 })).json.events.map(idOf), [ids[3]]);
      assert.deepEqual((await ask({ ...range, earliest_events: [], min_depth: 1000 })).json.events, []);
      assert.equal((await ask({ earliest_events: [] })).json.errcode, 'M_MISSING_PARAM');
      assert.equal((await ask({ ...range, limit: -1 })).json.errcode, 'M_INVALID_PARAM');
      assert.equal((await ask({ ...range, latest_events: [1] })).json.errcode, 'M_INVALID_PARAM');
    }));

  it('GET /state, /state_ids, /event_auth: the state before an event, and auth chains', () =>
    scene(async ({ server, room, ids, universe }) => {
      const changed = await setState(universe, room, 'm.room.topic', { topic: 'x' });
      const at = (path: string, id: string) => get(server, `${path}/${enc(room.roomId)}?event_id=${enc(id)}`);
      const { json: before } = await at('state', changed);
      const { json: early } = await at('state_ids', ids[0] as string);
      assert.ok(before.pdus.every((pdu: { type: string }) => pdu.type !== 'm.room.topic'));
      const members = before.pdus.filter((pdu: { type: string }) => pdu.type === 'm.room.member');
      assert.equal(members.length, 2);
      assert.equal(early.pdu_ids.length, before.pdus.length - 1);
      const { json: ids2 } = await at('state_ids', changed);
      assert.deepEqual([...ids2.pdu_ids].sort(), before.pdus.map(idOf).sort());
      assert.deepEqual([...ids2.auth_chain_ids].sort(), before.auth_chain.map(idOf).sort());
      const { json: auth } = await get(server, `event_auth/${enc(room.roomId)}/${enc(ids[0] as string)}`);
      const types = auth.auth_chain.map((pdu: { type: string }) => pdu.type).sort();
      assert.deepEqual(types, ['m.room.create', 'm.room.member', 'm.room.power_levels']);
      for (const path of ['state', 'state_ids']) {
        assert.deepEqual((await at(path, '$unknown')).json.errcode, 'M_NOT_FOUND');
        assert.deepEqual((await get(server, `${path}/${enc(room.roomId)}`)).json.errcode, 'M_MISSING_PARAM');
      }
    }));

  it('GET /timestamp_to_event/{roomId}: the event closest to a time', () =>
    scene(async ({ server, room, ids, universe }) => {
      const ask = (query: string) => get(server, `timestamp_to_event/${enc(room.roomId)}?${query}`);
      const { json } = await ask(`ts=${universe.clock.now() - 2500}&dir=f`);
      assert.deepEqual([json.event_id, json.origin_server_ts], [ids[2], universe.clock.now() - 2000]);
      assert.equal((await ask('ts=1&dir=b')).json.errcode, 'M_NOT_FOUND');
      assert.equal((await ask('dir=b')).json.errcode, 'M_MISSING_PARAM');
      assert.equal((await ask('ts=1&dir=x')).json.errcode, 'M_INVALID_PARAM');
    }));

  it('is redacted where none of their users could have seen it', () =>
    scene(
      async ({ server, room, ids, universe }) => {
        const seen = await say(universe, room, 'after the join');
        const { json } = await get(server, `backfill/${enc(room.roomId)}?limit=10&v=${enc(seen)}`);
        const messages = json.pdus.filter((pdu: { type: string }) => pdu.type === 'm.room.message');
        assert.deepEqual(messages.map(bodyOf), ['after the join', ...ids.map(() => undefined)]);
        for (const pdu of messages.slice(1)) {
          const read = readEvent(pdu, rules);
          assert.ok(read.ok && !read.event.contentHashMatches);
          assert.ok(ids.includes(read.event.eventId));
        }
      },
      { initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }] },
    ));

  it('is for them only, and not for who is kept out', () =>
    scene(async ({ universe, server, room, ids }) => {
      const stranger = universe.script('c.test');
      const [id] = ids as [string];
      const at = enc(room.roomId);
      const paths = [
        `event/${enc(id)}`,
        `event_auth/${at}/${enc(id)}`,
        `state/${at}?event_id=${enc(id)}`,
        `state_ids/${at}?event_id=${enc(id)}`,
        `backfill/${at}?v=${enc(id)}&limit=1`,
        `timestamp_to_event/${at}?ts=0&dir=f`,
      ];
      const missing = `/_matrix/federation/v1/get_missing_events/${at}`;
      const range = { earliest_events: [], latest_events: [id] };
      const refused = async (by: ScriptedServer) => {
        for (const path of paths) {
          const { status, json } = await get(by, path);
          assert.deepEqual([status, json.errcode], [403, 'M_FORBIDDEN'], path);
        }
        assert.equal((await by.request(own, 'POST', missing, range)).json.errcode, 'M_FORBIDDEN');
      };
      await refused(stranger);
      await setState(universe, room, 'm.room.server_acl', { allow: ['*'], deny: ['b.test'] });
      await refused(server);
      for (const path of paths.slice(1)) {
        const elsewhere = path.replace(at, enc('!nowhere:a.test'));
        assert.equal((await get(stranger, elsewhere)).json.errcode, 'M_NOT_FOUND', path);
      }
    }));
});
