import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { buildEvent, completeEvent, signEvent } from '../../../src/protocol/events/build.ts';
import { checkEventFormat, MAX_PDU_BYTES } from '../../../src/protocol/events/format.ts';
import { contentHash, digestEvent, eventIdOf, referenceHash } from '../../../src/protocol/events/hashes.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { readEvent } from '../../../src/protocol/events/read.ts';
import {
  isSignedBy,
  type KeyLookup,
  neededSignatures,
  verifyEventSignatures,
} from '../../../src/protocol/events/verify.ts';
import { asEventId, isEventIdOf } from '../../../src/protocol/ids/event-id.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { roomIdOfCreate } from '../../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { parseExactJson } from '../../../src/protocol/parse-json.ts';
import { supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { SigningKey, VerifyKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { jsonObject } from '../arbitraries.ts';
import { readVectors } from '../vectors.ts';
import { messageDraft, rulesOf, signerOf } from './samples.ts';

interface EventVector {
  readonly room_version: string;
  readonly event: JsonObject;
  readonly event_id: string;
}

interface SignEventVector {
  readonly room_version: string;
  readonly in: JsonObject;
  readonly out: JsonObject;
  readonly note: string;
}

const signer = signerOf('example.org');
const publicKey = VerifyKey.from(signer.key.publicKey) ?? assert.fail();
const onlyOurs = (server: string) => (server === signer.serverName ? publicKey : undefined);

function refusal(errcode: string): (error: unknown) => boolean {
  return (error) => error instanceof MatrixError && error.errcode === errcode;
}

describe('the ID and hashes of an event', () => {
  const { cases } = readVectors<{ cases: readonly EventVector[] }>('event-id');
  for (const { room_version: version, event, event_id: eventId } of cases) {
    it(`are those of the real event ${eventId} (room version ${version})`, () => {
      const rules = rulesOf(version);
      assert.equal(eventIdOf(event, rules), eventId);
      const digest = digestEvent(event, rules);
      assert.equal(digest.eventId, eventId);
      assert.equal(digest.contentHashMatches, true);
      const { unsigned: _, ...stored } = event;
      assert.equal(digest.canonical, canonicalJson(stored));
      assert.equal(checkEventFormat(event, rules), undefined);
      assert.equal(digestEvent({ ...event, more: 1 }, rules).contentHashMatches, false);
    });
  }

  const { seed_base64: seed, sign_event: signEvents } = readVectors<{
    seed_base64: string;
    sign_event: readonly SignEventVector[];
  }>('signing');
  const key = new SigningKey(asKeyId('ed25519:1'), Buffer.from(seed, 'base64'));
  for (const { room_version: version, in: event, out, note } of signEvents) {
    it(`and its signature are those of the specification: ${note}`, () => {
      const rules = rulesOf(version);
      const hashed = { ...event, hashes: { sha256: contentHash(event, rules) } };
      const signed = signEvent(hashed as unknown as Pdu, rules, { serverName: asServerName('domain'), key });
      assert.deepEqual(signed, out);
    });
  }

  it('keep the bytes of unusual numbers in old events', () => {
    const rules = rulesOf('5');
    const { pdu } = buildEvent(messageDraft(rules), rules, signer);
    const text = JSON.stringify({ ...pdu, content: { n: 'N' } }).replace('"N"', '[1.0,12345678901234567890]');
    const digest = digestEvent(parseExactJson(text) as JsonObject, rules);
    assert.match(digest.canonical, /"content":\{"n":\[1\.0,12345678901234567890\]\}/);
    assert.notEqual(digest.eventId, undefined);
    // The plain value reads as another event: its numbers are gone.
    assert.notEqual(digestEvent(JSON.parse(text) as JsonObject, rules).canonical, digest.canonical);
    assert.notEqual(checkEventFormat(parseExactJson(text) as JsonObject, rulesOf('6')), undefined);
  });

  it('do not mind what is in unsigned', () => {
    const rules = rulesOf('12');
    const { pdu, canonical } = buildEvent(messageDraft(rules), rules, signer);
    const text = JSON.stringify({ ...pdu, unsigned: { age: 1.5, n: 0 } }).replace('"n":0', '"n":-0,"s":"\\ud800"');
    const read = readEvent(parseExactJson(text), rules);
    assert.ok(read.ok);
    assert.equal(read.event.canonical, canonical);
    assert.deepEqual(read.event.pdu.unsigned, { age: 1.5, n: 0, s: '\ud800' });
  });

  it('compare the content hash whether it is padded or not, and only if there is one', () => {
    const rules = rulesOf('11');
    const { pdu } = buildEvent(messageDraft(rules), rules, signer);
    assert.equal(digestEvent({ ...pdu, hashes: { sha256: `${pdu.hashes.sha256}=` } }, rules).contentHashMatches, true);
    for (const hashes of [{}, { sha256: 1 }, { sha256: '*' }, { sha256: '' }]) {
      assert.equal(digestEvent({ ...pdu, hashes }, rules).contentHashMatches, false);
    }
  });

  it('do not change with unsigned, and the ID not with signatures or redactable content', () => {
    fc.assert(
      fc.property(jsonObject(), jsonObject(), fc.constantFrom('3', '6', '11', '12'), (content, unsigned, version) => {
        const rules = rulesOf(version);
        const { pdu, eventId, canonical } = buildEvent(messageDraft(rules, { content }), rules, signer);
        const changed = { ...pdu, unsigned };
        assert.deepEqual(digestEvent(changed, rules), digestEvent(pdu, rules));
        assert.equal(digestEvent(changed, rules).canonical, canonical);
        assert.equal(eventIdOf({ ...changed, signatures: {} }, rules), eventId);
        assert.equal(eventIdOf({ ...changed, content: {} }, rules), eventId);
        assert.notEqual(eventIdOf({ ...pdu, depth: pdu.depth + 1 }, rules), eventId);
      }),
      { seed: 11, numRuns: 40 },
    );
  });
});

describe('reading the event of another server', () => {
  const wire = (event: object, changes: readonly [string, string][] = []): unknown =>
    parseExactJson(changes.reduce((text, [from, to]) => text.replace(from, to), JSON.stringify(event)));

  for (const version of supportedRoomVersions) {
    it(`gives back what was built in room version ${version}`, () => {
      const rules = rulesOf(version);
      const { pdu, eventId, canonical } = buildEvent(messageDraft(rules), rules, signer);
      const read = readEvent(wire({ ...pdu, unsigned: { age: 1 } }), rules);
      assert.ok(read.ok);
      assert.deepEqual(read.event.pdu, { ...pdu, unsigned: { age: 1 } });
      assert.deepEqual([read.event.eventId, read.event.canonical], [eventId, canonical]);
      assert.equal(read.event.contentHashMatches, true);
    });

    it(`sees the numbers that JSON.parse hides in room version ${version}`, () => {
      const rules = rulesOf(version);
      const { pdu } = buildEvent(messageDraft(rules, { content: { n: 7 } }), rules, signer);
      for (const [number, kept] of [
        ['7.0', '7.0'],
        ['7e0', '7'],
        ['-0', '0'],
        ['12345678901234567890', '12345678901234567890'],
        ['7.5', '7.5'],
      ] as const) {
        const read = readEvent(wire(pdu, [['"n":7', `"n":${number}`]]), rules);
        assert.equal(read.ok, !rules.strictCanonicalJson, number);
        if (!read.ok) continue;
        assert.deepEqual(read.event.pdu.content, { n: Number(kept) });
        assert.ok(read.event.canonical.includes(`"content":{"n":${kept}}`));
        assert.equal(read.event.contentHashMatches, kept === '7');
      }
    });
  }

  it('takes the largest depth of old room versions', () => {
    for (const [version, taken] of [
      ['5', true],
      ['6', false],
    ] as const) {
      const rules = rulesOf(version);
      const { pdu } = buildEvent(messageDraft(rules), rules, signer);
      const read = readEvent(wire(pdu, [['"depth":5', '"depth":9223372036854775807']]), rules);
      assert.equal(read.ok, taken);
      if (read.ok) assert.match(read.event.canonical, /"depth":9223372036854775807,/);
    }
  });

  it('stands content as deep as the parser lets through', () => {
    for (const version of ['5', '12']) {
      const rules = rulesOf(version);
      const { pdu } = buildEvent(messageDraft(rules, { content: { n: 7 } }), rules, signer);
      const number = rules.strictCanonicalJson ? '7' : '7.0';
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const deep = open.repeat(998) + number + close.repeat(998);
        const read = readEvent(wire(pdu, [['"n":7', `"n":${deep}`]]), rules);
        assert.ok(read.ok);
        assert.ok(read.event.canonical.includes(deep));
        assert.equal(wire(pdu, [['"n":7', `"n":${open}${deep}${close}`]]), undefined);
      }
    }
  });

  it('refuses what is no event, before anything is made of it', () => {
    for (const version of ['1', '5', '12']) {
      const rules = rulesOf(version);
      for (const value of [null, [], 'x', 7, {}, { type: 'x' }, parseExactJson('1.0'), { content: '\ud800' }]) {
        assert.equal(readEvent(value, rules).ok, false);
      }
      const { pdu } = buildEvent(messageDraft(rules), rules, signer);
      const content = wire(pdu, [[JSON.stringify(pdu.content), '1.0']]);
      assert.equal(readEvent(content, rules).ok, false);
    }
    const { event_id: _, ...bare } = buildEvent(messageDraft(rulesOf('1')), rulesOf('1'), signer).pdu;
    const read = readEvent(bare, rulesOf('1'));
    assert.equal(read.ok ? undefined : read.problem.field, 'event_id');
  });
});

describe('building an event', () => {
  for (const version of supportedRoomVersions) {
    it(`makes one that every check of room version ${version} accepts`, () => {
      const rules = rulesOf(version);
      const { pdu, eventId, canonical } = buildEvent(messageDraft(rules), rules, signer);
      assert.equal(checkEventFormat(pdu, rules), undefined);
      assert.equal(isEventIdOf(eventId, rules), true);
      assert.equal(canonical, canonicalJson(pdu));
      assert.deepEqual(JSON.parse(canonical), pdu);
      assert.deepEqual(digestEvent(pdu, rules), {
        eventId,
        canonical,
        contentHashMatches: true,
        signedText: digestEvent(pdu, rules).signedText,
      });
      assert.deepEqual(verifyEventSignatures(pdu, rules, onlyOurs), { valid: true });
      assert.equal(pdu.hashes.sha256, contentHash(pdu, rules));
      if (rules.eventIdFormat === 'v3') assert.equal(eventId, `$${referenceHash(pdu, rules)}`);
    });
  }

  it('holds for any content', () => {
    fc.assert(
      fc.property(jsonObject(), fc.constantFrom(...supportedRoomVersions), (content, version) => {
        const rules = rulesOf(version);
        const { pdu, eventId, canonical } = buildEvent(messageDraft(rules, { content, stateKey: '' }), rules, signer);
        const received = JSON.parse(canonical) as Pdu;
        const digest = digestEvent(received, rules);
        assert.deepEqual([digest.eventId, digest.canonical, digest.contentHashMatches], [eventId, canonical, true]);
        assert.deepEqual(verifyEventSignatures(received, rules, onlyOurs, digest.signedText), { valid: true });
        assert.deepEqual(received, pdu);
      }),
      { seed: 12, numRuns: 40 },
    );
  });

  it('puts the target of a redaction where the room version has it', () => {
    for (const [version, top, inContent] of [
      ['1', true, false],
      ['10', true, false],
      ['11', false, true],
      ['12', false, true],
    ] as const) {
      const rules = rulesOf(version);
      const redacts = asEventId('$x');
      const content = { reason: 'spam' };
      const { pdu } = buildEvent(messageDraft(rules, { type: 'm.room.redaction', content, redacts }), rules, signer);
      assert.equal(pdu['redacts'], top ? redacts : undefined);
      assert.deepEqual(pdu.content, inContent ? { reason: 'spam', redacts } : { reason: 'spam' });
    }
  });

  it('makes the create event of room version 12 without a room ID, which then is its own', () => {
    const rules = rulesOf('12');
    const { roomId: _, ...draft } = messageDraft(rules, {
      type: 'm.room.create',
      stateKey: '',
      content: { room_version: '12' },
      prevEvents: [],
      authEvents: [],
      depth: 1,
    });
    const { pdu, eventId } = buildEvent(draft, rules, signer);
    assert.equal('room_id' in pdu, false);
    assert.equal(roomIdOfCreate(eventId), `!${eventId.slice(1)}`);
  });

  it('hashes further top-level members, which redaction drops', () => {
    const rules = rulesOf('12');
    const plain = buildEvent(messageDraft(rules), rules, signer);
    const sticky = buildEvent(messageDraft(rules, { extra: { msc4354_sticky: { duration_ms: 1 } } }), rules, signer);
    assert.deepEqual(sticky.pdu['msc4354_sticky'], { duration_ms: 1 });
    assert.notEqual(sticky.pdu.hashes.sha256, plain.pdu.hashes.sha256);
  });

  it('never makes a depth beyond what the room version allows', () => {
    for (const version of ['1', '12']) {
      const rules = rulesOf(version);
      assert.equal(buildEvent(messageDraft(rules, { depth: 2 ** 62 }), rules, signer).pdu.depth, 2 ** 53 - 1);
    }
  });

  it('refuses numbers that are not canonical in every room version with M_BAD_JSON', () => {
    for (const version of supportedRoomVersions) {
      const rules = rulesOf(version);
      for (const n of [1.5, 2 ** 53, -0]) {
        assert.throws(() => buildEvent(messageDraft(rules, { content: { n } }), rules, signer), refusal('M_BAD_JSON'));
      }
      const content = { body: '\ud800' };
      assert.throws(() => buildEvent(messageDraft(rules, { content }), rules, signer), refusal('M_BAD_JSON'));
    }
  });

  it('refuses what is too large with M_TOO_LARGE, to the byte', () => {
    const rules = rulesOf('12');
    const size = (body: string) => messageDraft(rules, { content: { body } });
    const room = MAX_PDU_BYTES - Buffer.byteLength(buildEvent(size(''), rules, signer).canonical);
    assert.equal(Buffer.byteLength(buildEvent(size('a'.repeat(room)), rules, signer).canonical), 65_536);
    assert.throws(() => buildEvent(size('a'.repeat(room + 1)), rules, signer), refusal('M_TOO_LARGE'));
    assert.throws(() => buildEvent(size('é'.repeat(room / 2 + 1)), rules, signer), refusal('M_TOO_LARGE'));
    const long = 'é'.repeat(128);
    assert.throws(() => buildEvent(messageDraft(rules, { type: long }), rules, signer), refusal('M_TOO_LARGE'));
    assert.throws(() => buildEvent(messageDraft(rules, { stateKey: long }), rules, signer), refusal('M_TOO_LARGE'));
  });

  it('completes the template of another server and keeps nothing of its hashes, signatures, unsigned', () => {
    const rules = rulesOf('12');
    const { pdu } = buildEvent(messageDraft(rules), rules, signer);
    const template = { ...pdu, hashes: {}, signatures: { evil: {} }, unsigned: { a: 1 }, event_id: '$x', origin: 'o' };
    const { hashes: _hashes, signatures: _signatures, ...bare } = pdu;
    assert.deepEqual(completeEvent(template, rules, signer), completeEvent({ ...bare, origin: 'o' }, rules, signer));
    assert.throws(() => completeEvent({ type: 'x' }, rules, signer), refusal('M_BAD_JSON'));
  });
});

describe('the signatures of an event', () => {
  const rules = rulesOf('10');
  const other = signerOf('other.org', 9);
  const keys = (server: string) =>
    server === other.serverName ? VerifyKey.from(other.key.publicKey) : onlyOurs(server);
  const invite = buildEvent(
    messageDraft(rules, { type: 'm.room.member', stateKey: '@bob:other.org', content: { membership: 'invite' } }),
    rules,
    signer,
  ).pdu;

  it('are added to an event without touching the rest', () => {
    const both = signEvent(invite, rules, other);
    assert.deepEqual(Object.keys(both.signatures).sort(), ['example.org', 'other.org']);
    assert.equal(isSignedBy(both, rules, other.serverName, keys), true);
    assert.equal(isSignedBy(invite, rules, other.serverName, keys), false);
    assert.equal(
      isSignedBy(both, rules, other.serverName, () => undefined),
      false,
    );
    assert.equal(eventIdOf(both, rules), eventIdOf(invite, rules));
    assert.deepEqual(verifyEventSignatures(both, rules, onlyOurs), { valid: true });
  });

  it('are needed of the server that sent it', () => {
    const verdict = (pdu: Pdu, lookup: KeyLookup = keys) => verifyEventSignatures(pdu, rules, lookup);
    const server = signer.serverName;
    assert.deepEqual(verdict({ ...invite, signatures: {} }), { valid: false, server, reason: 'unsigned' });
    assert.deepEqual(
      verdict(invite, () => undefined),
      { valid: false, server, reason: 'unknown-key' },
    );
    assert.deepEqual(verdict({ ...invite, depth: 6 }), { valid: false, server, reason: 'bad' });
    const withPolicy = { ...invite.signatures['example.org'], 'ed25519:unknown': 'AAAA', 'rsa:1': 'AAAA' };
    const known = (name: string, id: string) => (id === 'ed25519:unknown' ? undefined : keys(name));
    assert.deepEqual(verdict({ ...invite, signatures: { 'example.org': withPolicy } }, known), { valid: true });
    assert.deepEqual(verdict({ ...invite, signatures: { 'example.org': withPolicy } }), {
      valid: false,
      server,
      reason: 'bad',
    });
    assert.deepEqual(verdict({ ...invite, signatures: { 'example.org': { 'rsa:1': 'AA' } } }), {
      valid: false,
      server,
      reason: 'unsigned',
    });
  });

  const needed: readonly [string, string, Partial<Pdu>, readonly string[]][] = [
    ['a message', '10', {}, ['example.org']],
    ['an event whose ID is of another server', '1', { event_id: asEventId('$x:ids.org') }, ['example.org', 'ids.org']],
    ['the same', '2', { event_id: asEventId('$x:example.org') }, ['example.org']],
    ['an event_id that is no ID', '3', { event_id: asEventId('$x:ids.org') }, ['example.org']],
    [
      'an invite made of a third-party invite',
      '10',
      { type: 'm.room.member', content: { membership: 'invite', third_party_invite: {} } },
      [],
    ],
    [
      'a join with a third-party invite in it',
      '10',
      { type: 'm.room.member', content: { membership: 'join', third_party_invite: {} } },
      ['example.org'],
    ],
    [
      'a restricted join',
      '8',
      { type: 'm.room.member', content: { membership: 'join', join_authorised_via_users_server: '@v:via.org' } },
      ['example.org', 'via.org'],
    ],
    [
      'the same before restricted joins existed',
      '7',
      { type: 'm.room.member', content: { membership: 'join', join_authorised_via_users_server: '@v:via.org' } },
      ['example.org'],
    ],
    [
      'a restricted join vouched for by nobody',
      '8',
      { type: 'm.room.member', content: { membership: 'join', join_authorised_via_users_server: 'x' } },
      ['example.org'],
    ],
    [
      'a leave with a voucher',
      '8',
      { type: 'm.room.member', content: { membership: 'leave', join_authorised_via_users_server: '@v:via.org' } },
      ['example.org'],
    ],
  ];
  for (const [what, version, changes, servers] of needed) {
    it(`are needed of ${servers.join(' and ') || 'nobody in particular'} for ${what} (room version ${version})`, () => {
      const of = rulesOf(version);
      const { pdu } = buildEvent(messageDraft(of), of, signer);
      assert.deepEqual(
        neededSignatures({ ...pdu, ...changes }, of).map(({ server }) => server),
        servers,
      );
    });
  }
});
