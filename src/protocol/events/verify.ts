import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { serverOfEventId } from '../ids/event-id.ts';
import { algorithmOf } from '../ids/key-id.ts';
import type { KeyId, ServerName } from '../ids/types.ts';
import { isUserId, serverOf } from '../ids/user-id.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { signaturesOf } from '../signing/json.ts';
import type { VerifyKey } from '../signing/keys.ts';
import type { Pdu } from './pdu.ts';
import { EventTexts } from './texts.ts';

/** One server whose signature an event needs, and the signatures of it that the event carries. */
export interface NeededSignature {
  readonly server: ServerName;
  readonly signatures: readonly (readonly [KeyId, string])[];
}

/**
 * The servers that must have signed an event: the sender's, unless the event turns a third-party invite into an
 * invite, which another server may send; in room versions 1 and 2 the one in the event ID; where restricted joins
 * exist, the one that vouches for such a join.
 * @see https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events
 */
export function requiredSigners(pdu: Pdu, rules: RoomVersionRules): ServerName[] {
  const servers = new Set<ServerName>();
  if (!isThirdPartyInvite(pdu)) servers.add(serverOf(pdu.sender));
  if (rules.eventIdFormat === 'v1' && pdu.event_id !== undefined) {
    const server = serverOfEventId(pdu.event_id);
    if (server !== undefined) servers.add(server);
  }
  if (rules.restricted) {
    const voucher = vouchingServer(pdu);
    if (voucher !== undefined) servers.add(voucher);
  }
  return [...servers];
}

/** The server of the user whose power lets a restricted join happen. */
export function vouchingServer(pdu: Pdu): ServerName | undefined {
  if (pdu.type !== 'm.room.member' || pdu.content['membership'] !== 'join') return undefined;
  const user = pdu.content['join_authorised_via_users_server'];
  return typeof user === 'string' && isUserId(user) ? serverOf(user) : undefined;
}

function isThirdPartyInvite(pdu: Pdu): boolean {
  return (
    pdu.type === 'm.room.member' &&
    pdu.content['membership'] === 'invite' &&
    isJsonObject(pdu.content['third_party_invite'])
  );
}

/** The required servers with the Ed25519 signatures they have on the event: which keys have to be known. */
export function neededSignatures(pdu: Pdu, rules: RoomVersionRules): NeededSignature[] {
  return requiredSigners(pdu, rules).map((server) => ({
    server,
    signatures: signaturesOf(pdu as unknown as JsonObject, server).filter(
      ([keyId]) => algorithmOf(keyId) === 'ed25519',
    ),
  }));
}

/** `unsigned`: no Ed25519 signature at all; `unknown-key`: none by a key that is known; `bad`: one does not verify. */
export type SignatureVerdict =
  | { readonly valid: true }
  | { readonly valid: false; readonly server: ServerName; readonly reason: 'unsigned' | 'unknown-key' | 'bad' };

/** The key, if it is known and was valid when the event says it was made. Policy server keys are none of these. */
export type KeyLookup = (server: ServerName, keyId: KeyId) => VerifyKey | undefined;

/**
 * Checks that each required server signed the event: at least one signature by a known key, and every signature by a
 * known key valid. Other signatures do not matter. `signedText` is `EventDigest.signedText` if the caller has it.
 */
export function verifyEventSignatures(
  pdu: Pdu,
  rules: RoomVersionRules,
  keyFor: KeyLookup,
  signedText: string = new EventTexts(pdu, rules).signed,
): SignatureVerdict {
  const message = Buffer.from(signedText);
  for (const { server, signatures } of neededSignatures(pdu, rules)) {
    if (signatures.length === 0) return { valid: false, server, reason: 'unsigned' };
    let known = 0;
    for (const [keyId, signature] of signatures) {
      const key = keyFor(server, keyId);
      if (key === undefined) continue;
      if (!key.verifyBase64(message, signature)) return { valid: false, server, reason: 'bad' };
      known++;
    }
    if (known === 0) return { valid: false, server, reason: 'unknown-key' };
  }
  return { valid: true };
}

/** Whether one server signed the event with a known key: for the auth rule on restricted joins. */
export function isSignedBy(pdu: Pdu, rules: RoomVersionRules, server: ServerName, keyFor: KeyLookup): boolean {
  const signatures = signaturesOf(pdu as unknown as JsonObject, server);
  const message = signatures.length > 0 ? Buffer.from(new EventTexts(pdu, rules).signed) : undefined;
  return signatures.some(([keyId, signature]) => {
    const key = keyFor(server, keyId);
    return key !== undefined && message !== undefined && key.verifyBase64(message, signature);
  });
}
