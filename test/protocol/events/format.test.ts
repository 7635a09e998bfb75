import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildEvent } from '../../../src/protocol/events/build.ts';
import { checkEventFormat, isPdu } from '../../../src/protocol/events/format.ts';
import { isStateEvent, refIds } from '../../../src/protocol/events/pdu.ts';
import type { EventLike } from '../../../src/protocol/events/redact.ts';
import { supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { eventIdLike, messageDraft, refLike, rulesOf, signerOf } from './samples.ts';

const signer = signerOf('example.org');

function eventOf(version: string): EventLike {
  const rules = rulesOf(version);
  return buildEvent(messageDraft(rules), rules, signer).pdu;
}

const without = (event: EventLike, key: string): EventLike =>
  Object.fromEntries(Object.entries(event).filter(([name]) => name !== key));

const long = 'é'.repeat(128);

/** [member, value (undefined: absent), versions in which it is fine] */
const table: readonly [string, unknown, readonly string[]][] = [
  ['type', undefined, []],
  ['type', 7, []],
  ['type', '', supportedRoomVersions],
  ['type', long, []],
  ['type', 'é'.repeat(127), supportedRoomVersions],
  ['state_key', '', supportedRoomVersions],
  ['state_key', null, []],
  ['state_key', long, []],
  ['sender', undefined, []],
  ['sender', 'alice', []],
  ['sender', '@ALICE 😀:example.org', supportedRoomVersions],
  ['sender', `@${long}:b.org`, []],
  ['content', undefined, []],
  ['content', [], []],
  ['content', 'x', []],
  ['room_id', undefined, []],
  ['room_id', '!x:example.org', supportedRoomVersions.slice(0, 11)],
  ['room_id', `!${'r'.repeat(42)}A`, ['12']],
  ['room_id', 7, []],
  ['event_id', '$x', supportedRoomVersions.slice(2)],
  ['event_id', undefined, supportedRoomVersions.slice(2)],
  ['event_id', '$x:example.org', supportedRoomVersions],
  ['depth', undefined, []],
  ['depth', '5', []],
  ['depth', 1.5, []],
  ['depth', -1, []],
  ['depth', 0, supportedRoomVersions],
  ['depth', 2 ** 53 - 1, supportedRoomVersions],
  ['depth', 2 ** 53, supportedRoomVersions.slice(0, 5)],
  ['depth', 2 ** 63, supportedRoomVersions.slice(0, 5)],
  ['depth', 2 ** 64, []],
  ['origin_server_ts', undefined, []],
  ['origin_server_ts', '1', []],
  ['origin_server_ts', 1.5, supportedRoomVersions.slice(0, 5)],
  ['origin_server_ts', -1, supportedRoomVersions],
  ['hashes', undefined, []],
  ['hashes', {}, []],
  ['hashes', { sha256: 1 }, []],
  ['signatures', undefined, []],
  ['signatures', [], []],
  ['signatures', { a: 'x' }, []],
  ['signatures', { a: { b: 1 } }, []],
  ['signatures', {}, supportedRoomVersions],
  ['prev_events', undefined, []],
  ['prev_events', {}, []],
  ['prev_events', [], supportedRoomVersions],
  ['prev_events', [7], []],
  ['prev_events', ['x'], []],
  ['prev_events', ['$x'], supportedRoomVersions.slice(2)],
  ['prev_events', [['$x:a', { sha256: 'x' }]], ['1', '2']],
  ['auth_events', undefined, []],
  ['auth_events', [['$x:a', 'x']], []],
  ['auth_events', [['$x:a']], []],
  ['auth_events', [['$x:a', {}]], ['1', '2']],
  ['unsigned', 'anything', supportedRoomVersions],
  ['redacts', 7, supportedRoomVersions],
  ['more', { a: 1.5 }, supportedRoomVersions.slice(0, 5)],
  ['more', -0, supportedRoomVersions.slice(0, 5)],
  ['more', '\ud800', []],
];

describe('the format of an event', () => {
  for (const [key, value, fine] of table) {
    it(`with ${key} ${JSON.stringify(value)?.slice(0, 40)} is right in the room versions [${fine.join(' ')}]`, () => {
      for (const version of supportedRoomVersions) {
        const event = value === undefined ? without(eventOf(version), key) : { ...eventOf(version), [key]: value };
        assert.equal(isPdu(event, rulesOf(version)), fine.includes(version), `room version ${version}`);
      }
    });
  }

  it('takes at most 20 prev_events and 10 auth_events', () => {
    for (const version of ['1', '12']) {
      const rules = rulesOf(version);
      const refs = (count: number) => Array.from({ length: count }, () => refLike('x', rules));
      for (const [key, limit] of [
        ['prev_events', 20],
        ['auth_events', 10],
      ] as const) {
        assert.equal(checkEventFormat({ ...eventOf(version), [key]: refs(limit) }, rules), undefined);
        assert.equal(checkEventFormat({ ...eventOf(version), [key]: refs(limit + 1) }, rules)?.field, key);
      }
    }
  });

  it('of a create event has a room ID up to version 11 and none in 12', () => {
    for (const [version, withRoom, withoutRoom] of [
      ['11', true, false],
      ['12', false, true],
    ] as const) {
      const create = { ...eventOf(version), type: 'm.room.create', state_key: '' };
      assert.equal(isPdu(create, rulesOf(version)), withRoom);
      assert.equal(isPdu(without(create, 'room_id'), rulesOf(version)), withoutRoom);
    }
  });

  it('counts 65,536 bytes of canonical JSON with signatures, without unsigned', () => {
    const rules = rulesOf('12');
    const event = eventOf('12');
    const bytes = buildEvent(messageDraft(rules), rules, signer).canonical.length + Buffer.byteLength('😀') - 2;
    const fill = 'x'.repeat(65_536 - bytes - ',"more":""'.length);
    assert.equal(checkEventFormat({ ...event, more: fill, unsigned: { age: fill } }, rules), undefined);
    assert.deepEqual(checkEventFormat({ ...event, more: `${fill}x` }, rules), {
      field: 'event',
      reason: 'must have at most 65536 bytes',
      tooLarge: true,
    });
    assert.equal(checkEventFormat(event, rules, 'x'.repeat(65_537))?.tooLarge, true);
  });

  it('says which limits are about size', () => {
    const rules = rulesOf('12');
    assert.equal(checkEventFormat({ ...eventOf('12'), type: long }, rules)?.tooLarge, true);
    assert.equal(checkEventFormat({ ...eventOf('12'), type: 7 }, rules)?.tooLarge, false);
  });
});

describe('an event', () => {
  it('cites others by ID whatever the room version writes', () => {
    for (const version of ['2', '3', '12']) {
      const rules = rulesOf(version);
      assert.deepEqual(refIds([refLike('a', rules), refLike('b', rules)]), [
        eventIdLike('a', rules),
        eventIdLike('b', rules),
      ]);
    }
  });

  it('is a state event if it has a state key, even an empty one', () => {
    assert.equal(isStateEvent({ state_key: '' }), true);
    assert.equal(isStateEvent({}), false);
  });
});
