import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import { byAuth, byCitation } from '../../../src/rooms/receive/topology.ts';

const event = (name: string, auth: readonly string[] = [], prev: readonly string[] = []) =>
  ({
    eventId: `$${name}`,
    pdu: { auth_events: auth.map(($) => `$${$}`), prev_events: prev.map(($) => `$${$}`) },
  }) as unknown as BuiltEvent;

const names = (events: readonly BuiltEvent[]) => events.map(({ eventId }) => eventId.slice(1)).join(' ');

describe('the order of events', () => {
  it('puts what is cited first, and otherwise leaves the order as it was', () => {
    assert.equal(names(byAuth([event('d', ['b', 'c']), event('c', ['a']), event('a'), event('b', ['a'])])), 'a b c d');
    assert.equal(names(byAuth([event('z'), event('y'), event('x', [], ['z'])])), 'z y x');
    assert.equal(names(byCitation([event('x', [], ['z']), event('y', ['z']), event('z')])), 'z x y');
  });

  it('holds each event once', () => {
    assert.equal(names(byAuth([event('a'), event('b', ['a']), event('a')])), 'a b');
  });

  it('ends for circles and for chains of any length', () => {
    assert.equal(byAuth([event('a', ['b']), event('b', ['a'])]).length, 2);
    const chain = Array.from({ length: 20_000 }, (_, n) => event(`e${n}`, n === 19_999 ? [] : [`e${n + 1}`]));
    assert.equal(byAuth(chain).at(-1)?.eventId, '$e0');
  });
});
