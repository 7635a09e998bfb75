import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import { parseExactJson } from '../../../src/protocol/parse-json.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { VerifyKey } from '../../../src/protocol/signing/keys.ts';
import { EventVerifier } from '../../../src/rooms/receive/verify.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Network } from '../../support/federation/network.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { rulesOf, ScriptedServer } from '../../support/federation/scripted-server.ts';
import { FakeClock } from '../../support/stubs/fake-clock.ts';

const network = new Network();
const clock = new FakeClock();
const server = new ScriptedServer('b.test', network, clock);
const stranger = new ScriptedServer('c.test', network, clock);
const published = VerifyKey.from(server.key.publicKey);

/** Knows the key of `b.test` only, which is valid until the end of 2026. */
const verifier = new EventVerifier({
  ensure: () => Promise.resolve(),
  key: (name, keyId, validAt, strict) =>
    name === server.name && keyId === server.key.keyId && !(strict && validAt > Date.UTC(2027, 0))
      ? published
      : undefined,
});

const message = (version: string, more: { ts?: number } = {}): BuiltEvent =>
  ScriptedRoom.create(server, version).build({ type: 'm.room.message', content: { body: 'hello' }, ...more });

const received = (event: BuiltEvent): JsonObject => parseExactJson(event.canonical) as JsonObject;

for (const version of ['1', '5', '10', '12']) {
  describe(`an event of another server, room version ${version}`, () => {
    const rules = rulesOf(version);

    it('is taken as it was signed', async () => {
      const event = message(version);
      const { events, problems } = await verifier.verify([received(event)], rules);
      assert.deepEqual(problems, []);
      assert.equal(events[0]?.eventId, event.eventId);
      assert.equal(events[0].canonical, event.canonical);
      assert.equal(events[0].redacted, false);
    });

    it('is redacted if its content hash does not fit', async () => {
      const event = message(version);
      const { events, problems } = await verifier.verify(
        [{ ...received(event), content: { body: 'something else' } }],
        rules,
      );
      assert.deepEqual(problems, []);
      assert.equal(events[0]?.eventId, event.eventId);
      assert.equal(events[0].redacted, true);
      assert.deepEqual(events[0].pdu.content, {});
      assert.deepEqual((JSON.parse(events[0].canonical) as JsonObject)['content'], {});
    });

    it('is dropped without a valid signature of the server that it must be signed by', async () => {
      const event = received(message(version));
      const { signatures, ...unsigned } = event;
      const wrong = Buffer.alloc(64, 7).toString('base64').slice(0, 86);
      const table: [string, JsonObject, RegExp][] = [
        ['no signature', { ...unsigned, signatures: {} }, /not signed by b\.test/],
        ['a wrong one', { ...event, signatures: { 'b.test': { [server.key.keyId]: wrong } } }, /is wrong/],
        ['by an unknown key', { ...event, signatures: { 'b.test': { 'ed25519:x': wrong } } }, /No key/],
        ['what is signed was changed', { ...event, depth: 77 }, /is wrong/],
        ['by another server only', signJson(unsigned, stranger.name, stranger.key), /not signed by b\.test/],
        ['of no object', { signatures: null, ...unsigned }, /signatures/],
      ];
      assert.ok(signatures);
      for (const [what, value, reason] of table) {
        const { events, problems } = await verifier.verify([value], rules);
        assert.deepEqual(events, [], what);
        assert.match(problems[0]?.reason ?? '', reason, what);
      }
    });

    it('is dropped by itself if its format is wrong: the others are taken', async () => {
      const event = received(message(version));
      const wrong: unknown[] = [null, 7, 'event', [], {}, { ...event, depth: -1 }, { ...event, prev_events: 'x' }];
      const { events, problems } = await verifier.verify([...wrong, event], rules);
      assert.equal(events.length, 1);
      assert.equal(problems.length, wrong.length);
    });
  });
}

describe('the time at which a key was valid', () => {
  const late = { ts: Date.UTC(2028, 0) };

  it('counts from room version 5 on', async () => {
    for (const [version, taken] of [
      ['4', 1],
      ['5', 0],
      ['11', 0],
    ] as const) {
      const { events } = await verifier.verify([received(message(version, late))], rulesOf(version));
      assert.equal(events.length, taken, `room version ${version}`);
    }
  });
});

describe('numbers', () => {
  it('of room versions 1 to 5 that a double would change keep their bytes', async () => {
    const rules = rulesOf('5');
    const event = received(message('5'));
    const text = canonicalJson(event).replace('"body":"hello"', '"body":1.50');
    const { events } = await verifier.verify([parseExactJson(text)], rules);
    assert.equal(events[0]?.redacted, true);
  });
});
