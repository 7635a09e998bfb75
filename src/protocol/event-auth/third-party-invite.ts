import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { membershipOf, own, ownObject, ownString } from './content.ts';
import type { MemberCheck } from './member-check.ts';
import { ALLOWED, type AuthEvent, reject, type Verdict } from './types.ts';

/**
 * Signatures tried against keys at most, over all pairs. The text sets no bound, but two events of 64 kB can name
 * half a million pairs; those of identity servers name two or three.
 */
const MAX_PROOFS = 100;

/** Rule 5.4.1 (version 12): an invite that answers an invite of an email address or telephone number. */
export function checkThirdPartyInvite<Id>(check: MemberCheck<Id>): Verdict {
  const { event, state, target } = check;
  const rule = `${check.numbers.member}.${check.numbers.invite}.1`;
  // 5.4.1.1
  if (membershipOf(state('m.room.member', target)) === 'ban') return reject(`${rule}.1`, 'the invited user is banned');
  // 5.4.1.2
  const signed = ownObject(ownObject(event.content, 'third_party_invite') ?? {}, 'signed');
  if (!signed) return reject(`${rule}.2`, 'third_party_invite has no signed property');
  // 5.4.1.3
  const mxid = ownString(signed, 'mxid');
  const token = ownString(signed, 'token');
  if (mxid === undefined || token === undefined) return reject(`${rule}.3`, 'signed lacks mxid or token');
  // 5.4.1.4
  if (mxid !== target) return reject(`${rule}.4`, 'mxid is not the invited user');
  // 5.4.1.5
  const invitation = state('m.room.third_party_invite', token);
  if (!invitation) return reject(`${rule}.5`, 'the room has no third-party invite with this token');
  // 5.4.1.6
  if (invitation.sender !== event.sender) return reject(`${rule}.6`, 'the third-party invite has another sender');
  // 5.4.1.7
  let proofs = 0;
  for (const signature of signatures(signed)) {
    for (const key of publicKeys(invitation)) {
      if (++proofs > MAX_PROOFS) return reject(`${rule}.8`, 'too many signatures and keys');
      if (check.signatures.verify(key, signature, signed)) return ALLOWED;
    }
  }
  // 5.4.1.8
  return reject(`${rule}.8`, 'no signature matches a key of the third-party invite');
}

function* signatures(signed: JsonObject): Iterable<string> {
  for (const byKey of Object.values(ownObject(signed, 'signatures') ?? {})) {
    if (!isJsonObject(byKey)) continue;
    for (const [keyId, signature] of Object.entries(byKey)) {
      if (keyId.startsWith('ed25519:') && typeof signature === 'string') yield signature;
    }
  }
}

function* publicKeys(invitation: AuthEvent<unknown>): Iterable<string> {
  // 5.4.1.7.1
  const single = ownString(invitation.content, 'public_key');
  if (single !== undefined) yield single;
  // 5.4.1.7.2
  const list = own(invitation.content, 'public_keys');
  if (!Array.isArray(list)) return;
  for (const entry of list) {
    const key = isJsonObject(entry) ? ownString(entry, 'public_key') : undefined;
    if (key !== undefined) yield key;
  }
}
