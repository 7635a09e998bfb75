import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { randomRoom } from '../../support/rooms/random-graph.ts';
import { mismatches } from '../../support/rooms/resolution-check.ts';

const ROOMS_PER_VERSION = 100;

describe('state resolution on random rooms', () => {
  for (const version of supportedRoomVersions) {
    it(`agrees with the naive reference, whatever the order of sets, in room version ${version}`, () => {
      fc.assert(
        fc.property(fc.nat(), (seed) => {
          assert.deepEqual(mismatches(randomRoom(version, seed), seed), []);
        }),
        { seed: Number(version), numRuns: ROOMS_PER_VERSION },
      );
    });
  }

  it('covers many state sets, rejected events and more than one word of set bits', () => {
    const rooms = Array.from({ length: 200 }, (_, seed) => randomRoom('11', seed));
    assert.ok(rooms.some((room) => room.sets.length > 64));
    assert.ok(rooms.some((room) => room.sets.some((set) => !set.has('m.room.create', ''))));
    assert.ok(rooms.some((room) => room.sets.length === 2));
    assert.ok(rooms.some((room) => room.events.size > 55));
    assert.ok(rooms.some((room) => [...room.events.values()].some((event) => event.rejected)));
  });
});
