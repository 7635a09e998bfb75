import assert from 'node:assert/strict';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import type { RoomId } from '../../../src/protocol/ids/types.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import type { World } from '../servers/world.ts';

/** The current state as a server has it: `type|state key` to event ID. */
export function stateOf(world: World, roomId: string): Record<string, string> {
  const { interning, roomState } = world.hs.stores;
  const room = interning.findRoom(asRoomId(roomId)) ?? assert.fail();
  const entries = [...roomState.currentAll(room)].map(([key, nid]): [string, string] => {
    const { type, skey } = interning.stateKeyOf(key);
    return [`${type}|${skey}`, interning.eventId(nid)];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The room's ends, sorted. */
export function endsOf(world: World, roomId: string): string[] {
  const { interning, extremities } = world.hs.stores;
  const room = interning.findRoom(asRoomId(roomId)) ?? assert.fail();
  return extremities
    .forward(room)
    .map((nid) => interning.eventId(nid))
    .toSorted();
}

/** All events of the room that a server has heard of, the oldest depth first. */
export function knownOf(world: World, roomId: string): string[] {
  const { interning } = world.hs.stores;
  const room = interning.findRoom(asRoomId(roomId)) ?? assert.fail();
  const select = world.hs.db.prepare<[number], EventNid>('SELECT nid FROM event WHERE room = ? ORDER BY depth, nid');
  return select
    .pluck()
    .all(room)
    .map((nid) => interning.eventId(nid));
}

/** What a server thinks of an event; `undefined`: it does not know it. */
export function flagsOf(world: World, eventId: string): number | undefined {
  const { interning, events } = world.hs.stores;
  const nid = interning.findEvent(asEventId(eventId));
  return nid === undefined ? undefined : events.row(nid)?.flags;
}

/**
 * Holds what servers show of a room against each other: `shown` are the events of each in its order. An event may only
 * be missing where it is soft-failed; whatever was sent is somewhere, nothing is there twice, and nothing stands before
 * what it follows.
 */
export function compareRooms(
  worlds: readonly World[],
  roomId: RoomId,
  shown: readonly (readonly string[])[],
  sent: readonly string[],
): void {
  const all = new Set(shown.flat());
  for (const [index, world] of worlds.entries()) {
    const mine = shown[index] as readonly string[];
    const set = new Set(mine);
    assert.equal(set.size, mine.length, `${world.name} shows an event twice`);
    for (const eventId of all) {
      if (set.has(eventId)) continue;
      const flags = flagsOf(world, eventId);
      const who = worlds
        .filter((_, other) => shown[other]?.includes(eventId))
        .map(({ name }) => name)
        .join();
      assert.ok(flags !== undefined, `${world.name} does not know ${eventId}, which ${who} shows`);
      assert.ok(
        (flags & eventFlags.SOFT_FAILED) !== 0,
        `${world.name} hides ${eventId} (${flags}), which ${who} shows`,
      );
    }
    checkOrder(world, roomId, mine);
  }
  for (const eventId of sent) {
    for (const world of worlds) {
      const flags = flagsOf(world, eventId);
      assert.ok(flags !== undefined, `${world.name} has not heard of ${eventId}`);
      const others = worlds.map((other) => [other.name, (flagsOf(other, eventId) ?? 0) & eventFlags.REJECTED] as const);
      assert.ok(
        others.every(([, rejected]) => rejected === others[0]?.[1]),
        `${eventId} is rejected by some only: ${others.join(' ')}`,
      );
    }
  }
}

function checkOrder(world: World, roomId: string, mine: readonly string[]): void {
  const { interning, events } = world.hs.stores;
  const places = new Map(mine.map((eventId, place) => [eventId, place]));
  for (const [place, eventId] of mine.entries()) {
    const nid = interning.findEvent(asEventId(eventId)) ?? assert.fail();
    for (const parent of events.parents(nid)) {
      const at = places.get(interning.eventId(parent));
      // What arrived after it, over a line that lost it the first time, stands where it arrived.
      const isLate = [events.row(nid), events.row(parent)].every((row) => typeof row?.pos === 'number');
      assert.ok(
        at === undefined || at < place || isLate,
        `${world.name} shows ${eventId} of ${roomId} before what it follows`,
      );
    }
  }
}
