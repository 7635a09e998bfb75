import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import type { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import { resolveStateSets } from '../../../src/protocol/state-resolution/state-sets.ts';
import { sha1Hex } from '../../../src/util/hash.ts';
import { authEventOf, goodSignatures, type Pdu } from '../../support/rooms/auth-event.ts';
import { EventGraph, stateOf, stateRecord } from '../../support/rooms/event-graph.ts';

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'));
}

function rulesOf(version: string): RoomVersionRules {
  const rules = roomVersionRules(version);
  assert.ok(rules, `room version ${version}`);
  return rules;
}

function fetchFrom(events: Iterable<AuthEvent<string>>): (id: string) => AuthEvent<string> {
  const byId = new Map([...events].map((event) => [event.id, event]));
  return (id) => {
    const event = byId.get(id);
    if (!event) throw new Error(`no event ${id}`);
    return event;
  };
}

/** The graph at once, and again with the current state resolved after every single event. */
function resolveGraph(version: string, events: readonly AuthEvent<string>[]): StateMap<string> {
  const rules = rulesOf(version);
  const atOnce = new EventGraph(rules);
  for (const event of events) atOnce.add(event);
  const singly = new EventGraph(rules);
  let current = atOnce.current();
  for (const event of events) {
    singly.add(event);
    current = singly.current();
  }
  assert.deepEqual(stateRecord(current), stateRecord(atOnce.current()), 'singly and at once');
  return current;
}

describe('state resolution v1, vectors of gomatrixserverlib', () => {
  const file = vectors('state-res-v1') as {
    conflicted: Pdu[];
    auth_events: Pdu[];
    expected: string;
    order_check: { event_id: string; sha1: string }[];
  };

  it('picks the expected power levels', () => {
    const auth = file.auth_events.map(authEventOf);
    const conflicted = file.conflicted.map(authEventOf);
    const sets = conflicted.map((event) => stateOf([...auth, event]));
    const resolved = resolveStateSets(rulesOf('1'), sets, fetchFrom([...auth, ...conflicted]), goodSignatures);
    assert.equal(resolved.get('m.room.power_levels', ''), file.expected);
  });

  it('hashes event IDs as expected', () => {
    for (const { event_id, sha1 } of file.order_check) assert.equal(sha1Hex(event_id), sha1);
  });
});

describe('state resolution v2 and v2.1, vectors of ruma', () => {
  const file = vectors('state-res-v2') as {
    batches: Record<string, Pdu[]>;
    tests: { name: string; room_version: string; pdus: string[]; state_sets?: string[][]; expected: string[] }[];
  };
  for (const test of file.tests) {
    it(test.name, () => {
      const events = test.pdus.flatMap((batch) => file.batches[batch] ?? []).map(authEventOf);
      const fetch = fetchFrom(events);
      const resolved = test.state_sets
        ? resolveStateSets(
            rulesOf(test.room_version),
            test.state_sets.map((ids) => stateOf(ids.map(fetch))),
            fetch,
            goodSignatures,
          )
        : resolveGraph(test.room_version, events);
      assert.deepEqual([...resolved.entries()].map(([, , id]) => id).sort(), [...test.expected].sort());
    });
  }
});

describe('state resolution, random graphs resolved by another server', () => {
  const file = vectors('state-res-generated') as {
    cases: { room_version: string; forward_extremities: string[]; expected: Record<string, string>; pdus: Pdu[] }[];
  };
  for (const [index, { room_version, forward_extremities, expected, pdus }] of file.cases.entries()) {
    it(`graph ${index}, room version ${room_version}`, () => {
      const graph = new EventGraph(rulesOf(room_version));
      for (const pdu of pdus) graph.add(authEventOf(pdu));
      const resolved = graph.resolve(forward_extremities.map((id) => graph.stateAfter(id)));
      assert.deepEqual(stateRecord(resolved), expected);
      assert.deepEqual(stateRecord(resolveGraph(room_version, pdus.map(authEventOf))), expected);
    });
  }
});
