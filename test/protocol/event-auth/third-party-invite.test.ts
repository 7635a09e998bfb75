import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { badSignatures } from '../../support/rooms/auth-event.ts';
import {
  AuthRoom,
  BOB,
  type ByVersion,
  CAROL,
  checkSituations,
  DAVE,
  EVE,
  FAY,
  member,
} from '../../support/rooms/auth-room.ts';

const SIGNED = { mxid: DAVE, token: 't', signatures: { 'id.example': { 'ed25519:0': 'good' } } };

function invite(signed: JsonObject | undefined, target = DAVE, sender = BOB) {
  return member(sender, 'invite', target, { third_party_invite: signed ? { signed } : {} });
}

/** Rule 5.4.1.n in every numbering. */
function rejectedBy(part: number): ByVersion {
  return { '1-5': `5.3.1.${part}`, '6-7': `4.3.1.${part}`, '8-11': `4.4.1.${part}`, '12': `5.4.1.${part}` };
}

function withInvitation(content: JsonObject = { public_key: 'key' }) {
  return (room: AuthRoom) => room.put('m.room.third_party_invite', 't', BOB, content);
}

function signaturesOf(key: string) {
  return {
    isSignedBy: () => true,
    verify: (publicKey: string, signature: string) => publicKey === key && signature === 'good',
  };
}

describe('rule 5.4.1: an invite that answers a third-party invite', () => {
  const room = withInvitation();
  checkSituations([
    { situation: 'in order', room, event: invite(SIGNED), verdict: { '1-12': 'allow' } },
    { situation: 'the target is banned', room, event: invite({ ...SIGNED, mxid: EVE }, EVE), verdict: rejectedBy(1) },
    { situation: 'no signed property', room, event: invite(undefined), verdict: rejectedBy(2) },
    { situation: 'no mxid', room, event: invite({ token: 't' }), verdict: rejectedBy(3) },
    { situation: 'no token', room, event: invite({ mxid: DAVE }), verdict: rejectedBy(3) },
    { situation: 'mxid of another user', room, event: invite(SIGNED, FAY), verdict: rejectedBy(4) },
    { situation: 'no such invitation', event: invite(SIGNED), verdict: rejectedBy(5) },
    { situation: 'sent by another user', room, event: invite(SIGNED, DAVE, CAROL), verdict: rejectedBy(6) },
    {
      situation: 'a signature that does not match',
      room: (each) => {
        room(each).signatures = badSignatures;
      },
      event: invite(SIGNED),
      verdict: rejectedBy(8),
    },
    { situation: 'no signature at all', room, event: invite({ mxid: DAVE, token: 't' }), verdict: rejectedBy(8) },
    {
      situation: 'a signature with a key of another kind',
      room,
      event: invite({ ...SIGNED, signatures: { 'id.example': { 'rsa:0': 'good' } } }),
      verdict: rejectedBy(8),
    },
    {
      situation: 'a key in the list of keys matches',
      room: (each) => {
        withInvitation({ public_key: 'a', public_keys: [{ public_key: 'b' }, { public_key: 'c' }] })(each);
        each.signatures = signaturesOf('c');
      },
      event: invite(SIGNED),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'the second of several signatures matches',
      room: (each) => {
        room(each).signatures = signaturesOf('key');
      },
      event: invite({ ...SIGNED, signatures: { a: { 'ed25519:0': 'bad' }, b: { 'ed25519:1': 'good' } } }),
      verdict: { '1-12': 'allow' },
    },
  ]);

  it('hands the signed object to the verifier and tries no more than a hundred pairs', () => {
    const room = withInvitation({ public_keys: Array.from({ length: 60 }, (_, i) => ({ public_key: `k${i}` })) })(
      new AuthRoom('11'),
    );
    const seen: JsonObject[] = [];
    room.signatures = {
      isSignedBy: () => true,
      verify: (_key, _signature, signed) => {
        seen.push(signed);
        return false;
      },
    };
    const signatures = { a: { 'ed25519:0': 'x', 'ed25519:1': 'y', 'ed25519:2': 'z' } };
    assert.equal(room.check(invite({ ...SIGNED, signatures })).allowed, false);
    assert.equal(seen.length, 100);
    assert.deepEqual(seen[0], { ...SIGNED, signatures });
  });
});
