import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Entered, only } from './partial-world.ts';

const own = 'a.test';
const enc = encodeURIComponent;
const unable = 'ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE';
const lazily = `&filter=${enc('{"room":{"state":{"lazy_load_members":true}}}')}`;

describe('a server that is said to be in a room whose members we do not know yet', () => {
  const asks = async (server: ScriptedServer, { stage }: Entered, id: string) => {
    const room = enc(stage.room.roomId);
    const missing = await server.request(own, 'POST', `/_matrix/federation/v1/get_missing_events/${room}`, {
      earliest_events: [],
      latest_events: [id],
      limit: 1,
      min_depth: 0,
    });
    const chain = await server.request(own, 'GET', `/_matrix/federation/v1/event_auth/${room}/${enc(id)}`);
    const event = await server.request(own, 'GET', `/_matrix/federation/v1/event/${enc(id)}`);
    const backfill = await server.request(own, 'GET', `/_matrix/federation/v1/backfill/${room}?limit=1&v=${enc(id)}`);
    return [missing, chain, event, backfill].map(({ status, json }) => (status === 200 ? 200 : json.errcode));
  };

  it('gets what it asks for because of what our users have said, and nothing else', async () => {
    await using entered = await Entered.open();
    const { x, y, alice, room } = entered.stage;
    const ours = await alice.say(room.roomId, 'hello');
    const theirs = await entered.says(x, 'm1', 'hello');
    const stranger = entered.universe.script('z.test');
    assert.deepEqual(await asks(y, entered, ours), [200, 200, 200, 200]);
    assert.deepEqual(await asks(y, entered, theirs), [unable, unable, unable, unable]);
    assert.deepEqual(await asks(stranger, entered, ours), [unable, unable, unable, unable]);
    await entered.complete();
    assert.deepEqual(await asks(y, entered, theirs), [200, 200, 200, 200]);
    const forbidden = ['M_FORBIDDEN', 'M_FORBIDDEN', 'M_FORBIDDEN', 'M_FORBIDDEN'];
    assert.deepEqual(await asks(stranger, entered, ours), forbidden);
  });

  it('is believed that its users type and have read, if these have been heard of', async () => {
    await using entered = await Entered.open();
    const { y, alice, room } = entered.stage;
    const said = await entered.says(y, 'n3', 'hello');
    const stranger = entered.universe.script('z.test');
    for (const [server, name] of [
      [y, 'n3'],
      [y, 'nobody'],
      [stranger, 'n3'],
    ] as const) {
      const user = server.user(name);
      const receipt = { [room.roomId]: { 'm.read': { [user]: { event_ids: [said], data: { ts: 1 } } } } };
      await server.send(
        own,
        [],
        [
          { edu_type: 'm.typing', content: { room_id: room.roomId, user_id: user, typing: true } },
          { edu_type: 'm.receipt', content: receipt },
        ],
      );
    }
    const { events } = only(await alice.sync(undefined, lazily)).ephemeral;
    const contents = Object.fromEntries(events.map((e: { type: string; content: unknown }) => [e.type, e.content]));
    assert.deepEqual(contents['m.typing'].user_ids, [y.user('n3')]);
    assert.deepEqual(Object.keys(contents['m.receipt'][said]['m.read']), [y.user('n3')]);
  });

  it("can be the room's policy server", async () => {
    await using entered = await Entered.open();
    const { y, known, world } = entered.stage;
    const key = y.key.publicKeyBase64;
    const content = { via: y.name, public_keys: { ed25519: key } };
    await entered.tells(entered.stage.x, { type: 'm.room.policy', stateKey: '', content });
    assert.equal(world.hs.services.rooms.policy.serverOf(known.nid)?.server, y.name);
  });

  it('is not let into other rooms by what we do not know of this one', async () => {
    await using entered = await Entered.open();
    const { alice, room, y } = entered.stage;
    const allow = [{ type: 'm.room_membership', room_id: room.roomId }];
    const other = await alice.createRoom({
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } }],
      room_version: '11',
    });
    const uri = `/_matrix/federation/v1/make_join/${enc(other)}/${enc(y.user('n3'))}?ver=11`;
    assert.equal((await y.request(own, 'GET', uri)).json.errcode, 'M_UNABLE_TO_AUTHORISE_JOIN');
    await entered.complete();
    assert.equal((await y.request(own, 'GET', uri)).status, 200);
  });
});
