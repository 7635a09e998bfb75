import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DEFAULT_ROOM_VERSION,
  IMPLICIT_ROOM_VERSION,
  type RoomVersionRules,
  roomVersionRules,
  supportedRoomVersions,
} from '../../src/protocol/room-versions.ts';

/** For each rule its value from version 1 to 12, as the specification tells them apart. */
const table: readonly [keyof RoomVersionRules, readonly unknown[]][] = [
  ['eventIdFormat', ['v1', 'v1', 'v3', 'v4', 'v4', 'v4', 'v4', 'v4', 'v4', 'v4', 'v4', 'v4']],
  ['refsAsPairs', upTo(2)],
  ['roomIdIsCreateHash', from(12)],
  ['stateResolution', ['v1', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2', 'v2.1']],
  ['redactionAuthRule', upTo(2)],
  ['redactsIn', from(11).map((yes) => (yes ? 'content' : 'top'))],
  ['enforceKeyValidity', from(5)],
  ['strictCanonicalJson', from(6)],
  ['maxDepth', from(6).map((yes) => (yes ? 2 ** 53 - 1 : 2 ** 63))],
  ['aliasesSpecialCase', upTo(5)],
  ['notificationsInPowerLevels', from(6)],
  ['integerPowerLevels', from(10)],
  ['knock', from(7)],
  ['restricted', from(8)],
  ['knockRestricted', from(10)],
  ['creatorFromSender', from(11)],
  ['privilegedCreators', from(12)],
  ['createInAuthEvents', upTo(11)],
];

function from(first: number): boolean[] {
  return Array.from({ length: 12 }, (_, i) => i + 1 >= first);
}

function upTo(last: number): boolean[] {
  return Array.from({ length: 12 }, (_, i) => i + 1 <= last);
}

describe('room versions', () => {
  it('1 to 12 are supported, 12 is the default and 1 is meant where none is named', () => {
    assert.deepEqual(supportedRoomVersions, ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
    assert.equal(DEFAULT_ROOM_VERSION, '12');
    assert.equal(IMPLICIT_ROOM_VERSION, '1');
    for (const version of supportedRoomVersions) assert.equal(roomVersionRules(version)?.version, version);
    for (const unknown of ['', '0', '13', '01', ' 1', 'org.matrix.msc3757.10', '__proto__']) {
      assert.equal(roomVersionRules(unknown), undefined);
    }
  });

  for (const [rule, values] of table) {
    it(`differ in ${rule}`, () => {
      assert.deepEqual(
        supportedRoomVersions.map((version) => roomVersionRules(version)?.[rule]),
        values,
      );
    });
  }

  it('differ in nothing that the tables do not name', () => {
    const named = new Set<string>(['version', 'redaction', ...table.map(([rule]) => rule)]);
    assert.deepEqual(
      Object.keys(roomVersionRules('12') ?? {}).filter((rule) => !named.has(rule)),
      [],
    );
  });
});
