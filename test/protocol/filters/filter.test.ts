import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { RoomEventFilter } from '../../../src/protocol/filters/event-filter.ts';
import { openFilter, parseFilter } from '../../../src/protocol/filters/filter.ts';
import type { JsonObject } from '../../../src/util/json.ts';

describe('filters', () => {
  const bad: readonly [string, JsonObject][] = [
    ['event_format', { event_format: 'xml' }],
    ['event_fields', { event_fields: 'content' }],
    ['account_data', { account_data: [] }],
    ['account_data.types', { account_data: { types: 'm.direct' } }],
    ['presence.limit', { presence: { limit: '3' } }],
    ['room', { room: 1 }],
    ['room.rooms', { room: { rooms: [1] } }],
    ['room.include_leave', { room: { include_leave: 'yes' } }],
    ['room.state', { room: { state: 'all' } }],
    ['room.state.lazy_load_members', { room: { state: { lazy_load_members: 1 } } }],
    ['room.timeline.limit', { room: { timeline: { limit: -1 } } }],
    ['room.timeline.limit', { room: { timeline: { limit: 1.5 } } }],
    ['room.timeline.contains_url', { room: { timeline: { contains_url: 'x' } } }],
    ['room.timeline.not_senders', { room: { timeline: { not_senders: {} } } }],
  ];
  it('has 100 names with * at most, and any number without', () => {
    const names = (count: number, sign: string) => Array.from({ length: count }, (_none, i) => `m.${i}${sign}`);
    for (const key of ['types', 'not_types']) {
      const filter = (list: string[]) => ({ room: { timeline: { [key]: list } } });
      parseFilter(filter([...names(100, '.*'), ...names(5000, '')]));
      assert.throws(() => parseFilter(filter(names(101, '*'))), { errcode: 'M_BAD_JSON' });
    }
  });

  for (const [key, json] of bad) {
    it(`a wrong type is M_BAD_JSON: ${JSON.stringify(json)}`, () => {
      assert.throws(
        () => parseFilter(json),
        (error) => error instanceof MatrixError && error.errcode === 'M_BAD_JSON' && error.message.startsWith(key),
      );
    });
  }

  it('an empty filter lets everything pass', () => {
    assert.equal(openFilter.room.timeline.passesAll, true);
    assert.equal(openFilter.room.rooms.any, true);
    assert.equal(openFilter.room.includeLeave, false);
    assert.equal(parseFilter({ room: { timeline: { types: null }, rooms: null } }).room.timeline.passesAll, true);
  });

  const event = { type: 'm.room.message', sender: '@a:b', content: { url: 'mxc://x' } };
  const plain = { type: 'm.room.message', sender: '@a:b', content: {} };
  const table: readonly [JsonObject, typeof event | typeof plain, boolean][] = [
    [{ types: ['m.room.*'] }, event, true],
    [{ types: ['m.*.message'] }, event, true],
    [{ types: ['m.room'] }, event, false],
    [{ types: [] }, event, false],
    [{ not_types: ['m.room.message'] }, event, false],
    [{ types: ['*'], not_types: ['*message'] }, event, false],
    [{ senders: ['@a:b'] }, event, true],
    [{ senders: ['@a:b'], not_senders: ['@a:b'] }, event, false],
    [{ senders: [] }, event, false],
    [{ contains_url: true }, event, true],
    [{ contains_url: true }, plain, false],
    [{ contains_url: false }, event, false],
    [{ contains_url: false }, plain, true],
  ];
  for (const [json, of, expected] of table) {
    it(`${JSON.stringify(json)} ${expected ? 'takes' : 'refuses'} ${JSON.stringify(of.content)}`, () => {
      assert.equal(new RoomEventFilter(json, '').matches(of), expected);
    });
  }

  it('rooms and not_rooms choose rooms', () => {
    const { rooms } = parseFilter({ room: { rooms: ['!a', '!b'], not_rooms: ['!b'] } }).room;
    assert.deepEqual(
      ['!a', '!b', '!c'].map((room) => rooms.allows(room)),
      [true, false, false],
    );
  });

  it('says when nothing can pass', () => {
    for (const json of [{ types: [] }, { senders: [] }, { not_types: ['*'] }, { limit: 0 }]) {
      assert.equal(new RoomEventFilter(json, '').nothing, true);
    }
  });
});
