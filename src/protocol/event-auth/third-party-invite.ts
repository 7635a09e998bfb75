import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { membershipOf, own, ownObject, ownString } from './content.ts';
import type { MemberCheck } from './member-check.ts';
import { ALLOWED, reject, type SignatureChecks, type Verdict } from './types.ts';

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
  const verify: Verify = (key, signature, text) => check.signatures.verify(key, signature, text);
  const proof = proofOf(signed, invitation.content, verify);
  if (proof === 'too many') return reject(`${rule}.8`, 'too many signatures and keys');
  if (proof !== undefined) return ALLOWED;
  // 5.4.1.8
  return reject(`${rule}.8`, 'no signature matches a key of the third-party invite');
}

type Verify = (...given: Parameters<SignatureChecks<unknown>['verify']>) => boolean;

/** A key that an invite of an address names, and where it can be asked whether it is still valid. */
export interface InviteKey {
  readonly publicKey: string;
  readonly validityUrl: string | undefined;
}

/** The key of the invite of an address by which `signed` is proved. */
export function provingKey(
  signed: JsonObject,
  invitation: Readonly<JsonObject>,
  verify: Verify,
): InviteKey | undefined {
  const proof = proofOf(signed, invitation, verify);
  return proof === 'too many' ? undefined : proof;
}

function proofOf(
  signed: JsonObject,
  invitation: Readonly<JsonObject>,
  verify: Verify,
): InviteKey | 'too many' | undefined {
  let proofs = 0;
  for (const signature of signatures(signed)) {
    for (const key of publicKeys(invitation)) {
      if (++proofs > MAX_PROOFS) return 'too many';
      if (verify(key.publicKey, signature, signed)) return key;
    }
  }
  return undefined;
}

function* signatures(signed: JsonObject): Iterable<string> {
  for (const byKey of Object.values(ownObject(signed, 'signatures') ?? {})) {
    if (!isJsonObject(byKey)) continue;
    for (const [keyId, signature] of Object.entries(byKey)) {
      if (keyId.startsWith('ed25519:') && typeof signature === 'string') yield signature;
    }
  }
}

function* publicKeys(invitation: Readonly<JsonObject>): Iterable<InviteKey> {
  // 5.4.1.7.1
  const single = ownString(invitation, 'public_key');
  if (single !== undefined) yield { publicKey: single, validityUrl: ownString(invitation, 'key_validity_url') };
  // 5.4.1.7.2
  const list = own(invitation, 'public_keys');
  if (!Array.isArray(list)) return;
  for (const entry of list) {
    const key = isJsonObject(entry) ? ownString(entry, 'public_key') : undefined;
    if (!isJsonObject(entry) || key === undefined) continue;
    yield { publicKey: key, validityUrl: ownString(entry, 'key_validity_url') };
  }
}
