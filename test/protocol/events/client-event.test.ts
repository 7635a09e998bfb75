import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildEvent } from '../../../src/protocol/events/build.ts';
import { clientEvent, isStrippedState, redactsOf, strippedState } from '../../../src/protocol/events/client-event.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { messageDraft, rulesOf, signerOf } from './samples.ts';

const signer = signerOf('example.org');

describe('the client form of an event', () => {
  it('leaves out what only servers need, and the unsigned of other servers', () => {
    const rules = rulesOf('11');
    const { pdu, eventId } = buildEvent(messageDraft(rules), rules, signer);
    assert.deepEqual(
      clientEvent({ ...pdu, unsigned: { evil: 1 }, origin: 'x', other: 1 }, eventId, rules, { age: 3 }),
      {
        type: 'm.room.message',
        sender: '@alice:example.org',
        room_id: '!r:example.org',
        event_id: eventId,
        origin_server_ts: 1_700_000_000_000,
        content: { msgtype: 'm.text', body: 'hi 😀' },
        unsigned: { age: 3 },
      },
    );
  });

  it('has a state key, even if empty, if the event sets state', () => {
    const rules = rulesOf('11');
    const { pdu, eventId } = buildEvent(messageDraft(rules, { stateKey: '' }), rules, signer);
    assert.equal(clientEvent(pdu, eventId, rules)['state_key'], '');
    assert.equal('unsigned' in clientEvent(pdu, eventId, rules), false);
  });

  it('of a create event of room version 12 names the room that it begins', () => {
    const rules = rulesOf('12');
    const { roomId: _, ...draft } = messageDraft(rules, { type: 'm.room.create', stateKey: '', prevEvents: [] });
    const { pdu, eventId } = buildEvent(draft, rules, signer);
    assert.equal(clientEvent(pdu, eventId, rules)['room_id'], `!${eventId.slice(1)}`);
  });

  it('names the target of a redaction at the top level and in the content, in every room version', () => {
    for (const version of ['1', '10', '11', '12']) {
      const rules = rulesOf(version);
      const redacts = asEventId('$target');
      const draft = messageDraft(rules, { type: 'm.room.redaction', content: { reason: 'x' }, redacts });
      const { pdu, eventId } = buildEvent(draft, rules, signer);
      const event = clientEvent(pdu, eventId, rules);
      assert.equal(event['redacts'], redacts);
      assert.deepEqual(event['content'], { reason: 'x', redacts });
      assert.equal(redactsOf(pdu, rules), redacts);
    }
  });

  it('takes the target of a redaction only from where the room version has it', () => {
    const pduOf = (version: string, content: JsonObject, extra: JsonObject) => {
      const rules = rulesOf(version);
      return redactsOf(
        buildEvent(messageDraft(rules, { type: 'm.room.redaction', content, extra }), rules, signer).pdu,
        rules,
      );
    };
    assert.equal(pduOf('10', { redacts: '$c' }, { redacts: '$t' }), '$t');
    assert.equal(pduOf('11', { redacts: '$c' }, { redacts: '$t' }), '$c');
    assert.equal(pduOf('10', { redacts: '$c' }, {}), undefined);
    assert.equal(pduOf('11', { redacts: 7 }, {}), undefined);
    assert.equal(pduOf('11', { redacts: 'no id' }, {}), undefined);
    const rules = rulesOf('11');
    const message = buildEvent(messageDraft(rules, { content: { redacts: '$c' } }), rules, signer).pdu;
    assert.equal(redactsOf(message, rules), undefined);
  });

  it('passes on how long an event sticks', () => {
    const rules = rulesOf('11');
    const extra = { msc4354_sticky: { duration_ms: 5 } };
    const { pdu, eventId } = buildEvent(messageDraft(rules, { extra }), rules, signer);
    assert.deepEqual(clientEvent(pdu, eventId, rules)['msc4354_sticky'], { duration_ms: 5 });
  });
});

describe('stripped state', () => {
  it('has a type, a state key, a sender and a content', () => {
    const rules = rulesOf('12');
    const { pdu } = buildEvent(
      messageDraft(rules, { type: 'm.room.name', stateKey: '', content: { name: 'x' } }),
      rules,
      signer,
    );
    const stripped = strippedState(pdu);
    assert.deepEqual(stripped, {
      type: 'm.room.name',
      state_key: '',
      sender: '@alice:example.org',
      content: { name: 'x' },
    });
    assert.equal(isStrippedState(stripped), true);
    for (const key of Object.keys(stripped)) {
      assert.equal(isStrippedState({ ...stripped, [key]: 7 }), false);
      assert.equal(
        isStrippedState(Object.fromEntries(Object.entries(stripped).filter(([name]) => name !== key))),
        false,
      );
    }
    for (const value of [null, [], 'x', 7]) assert.equal(isStrippedState(value), false);
  });
});
