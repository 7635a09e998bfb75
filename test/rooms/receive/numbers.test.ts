import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeBase64, sha256Base64 } from '../../../src/protocol/base64.ts';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import { referenceHash } from '../../../src/protocol/events/hashes.ts';
import { type EventLike, redact } from '../../../src/protocol/events/redact.ts';
import { EventTexts } from '../../../src/protocol/events/texts.ts';
import { parseExactJson, RawNumber } from '../../../src/protocol/parse-json.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

/** A number as it is written. */
const raw = (text: string) => new RawNumber(text) as unknown as number;

/** The event with other content, signed anew. */
function withContent(room: SharedRoom, { pdu, eventId }: BuiltEvent, content: JsonObject): BuiltEvent {
  const { hashes: _hashes, signatures: _signatures, ...bare } = pdu;
  const { server, rules } = room.scripted;
  const texts = new EventTexts({ ...bare, content }, rules);
  texts.set('hashes', { sha256: sha256Base64(texts.hashed) });
  texts.set('signatures', { [server.name]: { [server.key.keyId]: encodeBase64(server.key.sign(texts.signed)) } });
  const canonical = texts.full;
  return { pdu: parseExactJson(canonical) as typeof pdu, canonical, eventId };
}

/** Of a kind whose content redaction leaves alone. */
function oddAliases(room: SharedRoom): BuiltEvent {
  const event = room.scripted.build({ type: 'm.room.aliases', stateKey: room.scripted.server.name });
  return withContent(room, event, { aliases: [raw('1.0'), raw('1e400')] });
}

for (const version of ['1', '2']) {
  describe(`events with numbers that no double can say, in a room of version ${version}`, () => {
    it('are taken, and cited with the hash of what was signed', async () => {
      await using universe = await Universe.open(['a.test']);
      const server = universe.script('b.test');
      const room = await SharedRoom.open(universe.world('a.test'), server, version);
      const event = oddAliases(room);
      assert.deepEqual(await room.send(event), { [event.eventId]: {} });
      assert.equal(room.stored(event.eventId), 'accepted');
      room.scripted.take(event.pdu);

      const { rules, roomId } = room.scripted;
      const cited = [event.eventId, { sha256: referenceHash(parseExactJson(event.canonical) as EventLike, rules) }];
      const bob = encodeURIComponent(server.user('bob'));
      const path = `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${bob}?ver=${version}`;
      const { status, json } = await server.request('a.test', 'GET', path);
      assert.equal(status, 200, JSON.stringify(json));
      assert.deepEqual(json.event.prev_events, [cited]);
      const own = room.local('m.room.message', { body: 'after', msgtype: 'm.text' });
      assert.deepEqual(room.scripted.entries.get(own)?.pdu.prev_events, [cited]);
    });

    it('are known when they come again, and another event with their ID is not taken for them', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const event = oddAliases(room);
      for (let times = 0; times < 2; times++) assert.deepEqual(await room.send(event), { [event.eventId]: {} });
      const other = withContent(room, event, { aliases: [1, raw('1e400')] });
      const told = await room.send(other);
      assert.notEqual(told[event.eventId]?.error, undefined);
    });

    it('keep them when they are redacted for a server', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const event = oddAliases(room);
      await room.send(event);
      const { interning, events } = room.world.hs.stores;
      const nid = interning.findEvent(event.eventId);
      assert.ok(nid);
      const redacted = redact(events.exact(nid), room.scripted.rules);
      assert.match(canonicalJson(redacted, 'lenient'), /"aliases":\[1\.0,1e400\]/);
    });
  });
}

describe('an event with numbers that no double can say, in a room with a policy server', () => {
  it('is shown to that server as it was signed', async () => {
    await using universe = await Universe.open(['a.test']);
    const server = universe.script('b.test');
    const room = await SharedRoom.open(universe.world('a.test'), server, '3');
    const asked: string[] = [];
    server.on('POST', '/_matrix/policy/v1/sign', ({ body }) => {
      asked.push(body.type);
      // What is signed is what the test wrote; the answer fits only if it is asked about that.
      const signature = encodeBase64(server.key.sign(new EventTexts(event.pdu, room.scripted.rules).signed));
      return { [server.name]: { 'ed25519:policy_server': signature } };
    });
    const content = { via: server.name, public_keys: { ed25519: server.key.publicKeyBase64 } };
    const policy = room.scripted.add({ type: 'm.room.policy', stateKey: '', content });
    await room.send(policy);
    const event = oddAliases(room);
    const told = await room.send(event);
    assert.deepEqual(Object.values(told), [{}]);
    assert.deepEqual(asked, ['m.room.aliases']);
    assert.equal(room.stored(Object.keys(told)[0] as BuiltEvent['eventId']), 'accepted');
  });
});
