import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeBase64, sha256Base64 } from '../../../src/protocol/base64.ts';
import { canonicaliseLenient, canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { bodyReferences } from '../../../src/store/bodies/references.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const random = () => new SeededRandom('bodies');
const roomId = '!room:remote.example';
const sender = '@ann:remote.example';
const signature = encodeBase64(random().bytes(64));
const hash = encodeBase64(random().bytes(32));

/** Inserts an event from its canonical JSON, as the commit of an event would. */
function insert(store: TestStore, id: string, canonical: string): EventNid {
  const { interning, events } = store.stores;
  const pdu = JSON.parse(canonical) as JsonObject;
  const text = (member: string) => (typeof pdu[member] === 'string' ? pdu[member] : 'odd');
  const nid = interning.event(id);
  events.insert({
    nid,
    room: interning.room(roomId),
    type: interning.type(text('type')),
    sender: interning.user(sender),
    stateKey: typeof pdu['state_key'] === 'string' ? interning.stateKey(text('type'), pdu['state_key']) : null,
    depth: Number(pdu['depth'] ?? 0),
    ts: Number(pdu['origin_server_ts'] ?? 0),
    flags: 0,
    canonical,
    parents: [],
  });
  return nid;
}

/** A message as servers send it: with the hash that recomputing gives. */
function sealed(members: JsonObject): JsonObject {
  const unsealed: JsonObject = {
    auth_events: ['$first:remote.example'],
    content: { body: 'Good morning, the kitchen lights are fixed again', msgtype: 'm.text', 'm.mentions': {} },
    depth: 12,
    origin_server_ts: 1_700_000_000_000,
    prev_events: ['$first:remote.example'],
    room_id: roomId,
    sender,
    type: 'm.room.message',
    ...members,
  };
  for (const member of Object.keys(unsealed)) if (unsealed[member] === null) delete unsealed[member];
  const sha256 = sha256Base64(canonicalJson(unsealed, 'lenient'));
  return { ...unsealed, hashes: { sha256 }, signatures: { 'remote.example': { 'ed25519:a_1': signature } } };
}

const pair = ['$first:remote.example', { sha256: hash }];

/** [what, members (null: left out), whether it must get smaller] */
const shapes: readonly (readonly [string, JsonObject, boolean])[] = [
  ['a message of room versions 3 and later', {}, true],
  ['a message of room versions 1 and 2: own ID, references with hashes', { event_id: '$own:remote.example', prev_events: [pair], auth_events: [pair] }, true], // biome-ignore format: a table
  ['a member event', { type: 'm.room.member', state_key: sender, content: { membership: 'join', displayname: 'Ann' } }, true], // biome-ignore format: a table
  ['a create event of room version 12, without room_id', { type: 'm.room.create', state_key: '', room_id: null, prev_events: [], auth_events: [], content: { room_version: '12' } }, true], // biome-ignore format: a table
  ['an origin as older servers wrote it', { origin: 'remote.example' }, true],
  ['the origin of another server', { origin: 'elsewhere.example' }, true],
  ['unknown top-level members', { msc4354_sticky: { duration_ms: 5 }, age_ts: 7, unsigned: { age: 3 } }, true],
  ['a redaction that names its target', { type: 'm.room.redaction', redacts: '$first:remote.example', content: {} }, true], // biome-ignore format: a table
  ['a redaction of what nobody has', { type: 'm.room.redaction', redacts: '$unknown', content: {} }, true],
  ['references to events that are not stored', { prev_events: ['$nowhere'], auth_events: ['$nowhere'] }, true],
  ['two signatures of two servers', { signatures: { a: {} } }, true],
  ['an empty content', { content: {} }, true],
  ['a hash that is not the right one', { hashes: { sha256: hash } }, true],
  ['a member named __proto__ in the content', { content: JSON.parse('{"__proto__":{"polluted":true}}') }, true],
  ['members of the wrong type', { depth: 'deep', redacts: ['x'] }, false],
];

describe('event bodies', () => {
  it('come back byte for byte, whatever form they are stored in', async () => {
    await using store = openTestStore();
    for (const [what, members, smaller] of shapes) {
      const index = shapes.findIndex(([other]) => other === what);
      const canonical = canonicalJson({ ...sealed(members), ...signaturesOf(members) }, 'lenient');
      const own = typeof members['event_id'] === 'string' ? members['event_id'] : `$${index}:remote.example`;
      const nid = store.db.write(() => {
        insert(store, '$first:remote.example'.concat(index === 0 ? '' : `${index}`), canonical);
        return insert(store, own, canonical);
      });
      assert.equal(store.stores.events.canonical(nid), canonical, what);
      while (store.stores.bodyPacker.packSome(10) > 0);
      assert.equal(store.stores.events.canonical(nid), canonical, what);
      assert.equal(sizeOf(store, nid) < canonical.length, smaller, what);
      assertParts(store, nid, canonical);
    }
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  it('stay raw if they would not rebuild: numbers beyond a double, a top-level member named __proto__', async () => {
    await using store = openTestStore();
    const texts = [
      canonicaliseLenient('{"content":{"big":9007199254740993,"small":1.50},"type":"m.x"}'),
      canonicaliseLenient('{"content":{},"depth":1e400,"type":"m.x"}'),
      canonicaliseLenient('{"__proto__":{"polluted":1},"content":{},"type":"m.x"}'),
      '{"content":{},"signatures":{"__proto__":{"ed25519:x":"'.concat(signature, '"}},"type":"m.x"}'),
    ];
    for (const [index, text] of texts.entries()) {
      const nid = store.db.write(() => insert(store, `$raw${index}`, text));
      while (store.stores.bodyPacker.packSome(10) > 0);
      assert.equal(store.stores.events.canonical(nid), text);
    }
    assert.equal(({} as Record<string, unknown>)['ed25519:x'], undefined);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it('survive packing for any JSON', async () => {
    await using store = openTestStore();
    let count = 0;
    const json = fc.dictionary(fc.string(), fc.jsonValue());
    const property = fc.property(json, json, (content, extra) => {
      const pdu = { ...sealed({}), ...(extra as JsonObject), content, type: 'm.x' };
      const canonical = canonicalJson(
        JSON.parse(JSON.stringify(pdu).replaceAll(/\\ud[89a-f][0-9a-f]{2}/g, '?')),
        'lenient',
      );
      const nid = store.db.write(() => insert(store, `$any${count++}`, canonical));
      while (store.stores.bodyPacker.packSome(10) > 0);
      assert.equal(store.stores.events.canonical(nid), canonical);
      assertParts(store, nid, canonical);
    });
    fc.assert(property, { seed: 20261121, numRuns: 150 });
  });

  it('name by number exactly the stored events that they cite or redact', async () => {
    await using store = openTestStore();
    const { bodyPacker, interning } = store.stores;
    const body = store.db.prepare<[number], { format: number; body: Buffer }>(
      'SELECT format, body FROM event_body WHERE nid = ?',
    );
    for (const [what, members, smaller] of shapes) {
      const nid = store.db.write<EventNid>(() => {
        if (interning.findEvent('$first:remote.example') === undefined) {
          insert(store, '$first:remote.example', canonicalJson(sealed({ depth: 1 })));
        }
        return insert(store, `$named${what}:remote.example`, canonicalJson(sealed(members), 'lenient'));
      });
      while (bodyPacker.packSome(10) > 0);
      const row = body.get(nid);
      assert.ok(row);
      const first = interning.findEvent('$first:remote.example');
      const pdu = sealed(members);
      const cited = [pdu['prev_events'], pdu['auth_events'], [pdu['redacts']]].flat().flat();
      const expected = smaller ? cited.filter((id) => id === '$first:remote.example').map(() => first) : [];
      assert.deepEqual(bodyReferences(nid, row.format, row.body), expected, what);
    }
    assert.throws(() => bodyReferences(1 as EventNid, 99, Buffer.alloc(1)), /unknown format 99/);
  });

  it('are replaced by a redaction, packed or not', async () => {
    await using store = openTestStore();
    const { events, bodyPacker } = store.stores;
    const redacted = canonicalJson({ ...sealed({}), content: {} });
    const nid = store.db.write(() => insert(store, '$redacted', canonicalJson(sealed({}))));
    for (const packBefore of [false, true]) {
      if (packBefore) while (bodyPacker.packSome(10) > 0);
      store.db.write<void>(() => events.replaceBody(nid, redacted));
      assert.equal(events.canonical(nid), redacted);
    }
    while (bodyPacker.packSome(10) > 0);
    assert.equal(events.canonical(nid), redacted);
    assert.deepEqual(events.pdu(nid)['hashes'], sealed({})['hashes']);
  });

  it('are packed in slices, oldest first, each body once', async () => {
    await using store = openTestStore();
    const { bodyPacker } = store.stores;
    store.db.write<void>(() => {
      for (let i = 0; i < 25; i++) insert(store, `$slice${i}`, canonicalJson(sealed({ depth: i })));
    });
    assert.deepEqual(
      [10, 10, 10, 10].map((limit) => bodyPacker.packSome(limit)),
      [10, 10, 5, 0],
    );
  });
});

/** The shape with two signers, which would otherwise be sealed over. */
function signaturesOf(members: JsonObject): JsonObject {
  if (members['hashes'] !== undefined) return { hashes: members['hashes'] };
  if (members['signatures'] === undefined) return {};
  return { signatures: { 'remote.example': { 'ed25519:1': signature }, 'other.example': { 'ed25519:2': signature } } };
}

function assertParts(store: TestStore, nid: EventNid, canonical: string): void {
  const { events } = store.stores;
  const whole = JSON.parse(canonical) as JsonObject;
  const { hashes: _hashes, signatures: _signatures, ...unsealed } = whole;
  const {
    auth_events: _auth,
    depth: _depth,
    origin: _origin,
    prev_events: _prev,
    prev_state: _state,
    ...shown
  } = unsealed;
  const same = (actual: unknown, expected: unknown) =>
    assert.equal(canonicalJson(actual, 'lenient'), canonicalJson(expected, 'lenient'));
  same(events.pdu(nid), whole);
  same(events.unsealed(nid), unsealed);
  same(events.bare(nid), shown);
  same(events.pdus([nid]).get(nid), whole);
  same(events.bares([nid]).get(nid), shown);
  const [passing] = events.passing([nid]);
  same(passing?.pdu(), whole);
  same(passing?.bare(), shown);
  same(passing?.content, shown['content']);
  // The text itself only where clients see nothing else of the body.
  const text = passing?.contentText;
  if (text === undefined) return;
  assert.equal(text, canonicalJson(shown['content'], 'lenient'));
  const { content: _content, event_id: _id, room_id: _room, ...row } = shown;
  const known = { type: passing?.type, sender: passing?.sender, origin_server_ts: passing?.row.ts };
  same(row, { ...known, ...(passing?.stateKey === undefined ? {} : { state_key: passing.stateKey }) });
}

function sizeOf(store: TestStore, nid: EventNid): number {
  const size = store.db.prepare<[number], { size: number }>(
    'SELECT length(body) AS size FROM event_body WHERE nid = ?',
  );
  return size.get(nid)?.size ?? Number.POSITIVE_INFINITY;
}
