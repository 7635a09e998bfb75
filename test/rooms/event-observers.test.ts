import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventObservers } from '../../src/rooms/input/event-observers.ts';
import type { CommittedEvent, Following } from '../../src/rooms/input/observer.ts';
import { wellKnown } from '../../src/store/interning/well-known.ts';

const { message, member, topic, encrypted } = wellKnown.types;

const wishes: readonly (readonly [name: string, follows: Following])[] = [
  ['all', { live: 'all' }],
  ['state', { live: 'state' }],
  ['members', { live: [member] }],
  ['past', { past: [message, topic] }],
  ['both', { live: [message], past: 'all' }],
  ['nothing', {}],
];

/** [place, type, whether it is a state event, who is told] */
const events: readonly (readonly ['live' | 'past', number, boolean, readonly string[]])[] = [
  ['live', message, false, ['all', 'both']],
  ['live', encrypted, false, ['all']],
  ['live', member, true, ['all', 'state', 'members']],
  ['live', topic, true, ['all', 'state']],
  ['live', 1234, false, ['all']],
  ['live', 1234, true, ['all', 'state']],
  ['past', message, false, ['past', 'both']],
  ['past', encrypted, false, ['both']],
  ['past', member, true, ['both']],
];

const committed = (type: number, isState: boolean) =>
  ({ row: { type, stateKey: isState ? 1 : null } }) as unknown as CommittedEvent;

describe('those who follow events', () => {
  it('are told of what they want to know, in the order in which they came, also of those who come later', () => {
    const observers = new EventObservers();
    let told: string[] = [];
    for (const [name, follows] of wishes) {
      // Whoever was asked for before is remembered.
      for (const [place, type, isState] of events) observers.onEvent(committed(type, isState), place);
      observers.add({ follows, onEvent: () => told.push(name) });
    }
    for (const [place, type, isState, expected] of events) {
      told = [];
      observers.onEvent(committed(type, isState), place);
      assert.deepEqual(told, expected, `${place} ${type}`);
    }
  });

  it('are all told when something is taken back', () => {
    const observers = new EventObservers();
    const told: string[] = [];
    const onEvent = () => {};
    observers.add(
      { follows: {}, onEvent, onTakenOut: () => told.push('taken out') },
      { follows: {}, onEvent, onUnredacted: () => told.push('shown again'), onRedacted: () => told.push('redacted') },
      { follows: {}, onEvent, onCorrected: (_, keys) => told.push(`corrected ${keys.join()}`) },
    );
    const event = committed(message, false);
    observers.onTakenOut(event);
    observers.onRedacted(event.row);
    observers.onUnredacted(event);
    observers.onCorrected(1 as never, [wellKnown.stateKeys.joinRules]);
    assert.deepEqual(told, ['taken out', 'redacted', 'shown again', `corrected ${wellKnown.stateKeys.joinRules}`]);
  });
});
