import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';
import type { BuiltEvent } from './events/build.ts';
import type { Pdu } from './events/pdu.ts';
import { EventTexts } from './events/texts.ts';
import { parseServerName } from './ids/server-name.ts';
import type { ServerName } from './ids/types.ts';
import type { RoomVersionRules } from './room-versions.ts';
import { VerifyKey } from './signing/keys.ts';

/** The one name that a policy server's key has. */
export const policyKeyId = 'ed25519:policy_server';

/** Who is asked before an event comes into a room, and the key of its recommendations. */
export interface PolicyServer {
  readonly server: ServerName;
  readonly key: VerifyKey;
}

/**
 * What a room's `m.room.policy` says; `undefined` if it is not valid, which means that there is no policy server. That it
 * has a joined user in the room is for the caller to check.
 * @see https://spec.matrix.org/v1.19/server-server-api/#determining-if-a-policy-server-is-enabled-in-a-room
 */
export function policyServerIn(content: Readonly<JsonObject>): PolicyServer | undefined {
  const { via, public_keys: keys } = content;
  const server = typeof via === 'string' ? parseServerName(via) : undefined;
  const text = isJsonObject(keys) ? keys['ed25519'] : undefined;
  const key = typeof text === 'string' ? VerifyKey.fromBase64(text) : undefined;
  return server === undefined || key === undefined ? undefined : { server, key };
}

/** Whether an event needs no recommendation: the one that names the policy server, so that a room can get rid of it. */
export function isExemptFromPolicy(type: string, stateKey: string | undefined): boolean {
  return type === 'm.room.policy' && stateKey === '';
}

/**
 * Whether the policy server has signed the event.
 * @see https://spec.matrix.org/v1.19/server-server-api/#validating-policy-server-signatures
 */
export function isRecommended(pdu: Pdu, rules: RoomVersionRules, { server, key }: PolicyServer): boolean {
  const { signatures } = pdu;
  const own = Object.hasOwn(signatures, server) ? signatures[server] : undefined;
  const signature = own !== undefined && Object.hasOwn(own, policyKeyId) ? own[policyKeyId] : undefined;
  return typeof signature === 'string' && key.verifyBase64(new EventTexts(pdu, rules).signed, signature);
}

/**
 * The event with the signature in the answer of a policy server, and all others that it has; `undefined` if that is not
 * one of its key.
 */
export function withRecommendation(
  pdu: Pdu,
  rules: RoomVersionRules,
  policy: PolicyServer,
  answer: JsonObject,
): Pick<BuiltEvent, 'pdu' | 'canonical'> | undefined {
  const signature = member(member(answer, policy.server), policyKeyId);
  if (typeof signature !== 'string') return undefined;
  const own = { ...pdu.signatures[policy.server], [policyKeyId]: signature };
  const signed: Pdu = { ...pdu, signatures: { ...pdu.signatures, [policy.server]: own } };
  return isRecommended(signed, rules, policy)
    ? { pdu: signed, canonical: new EventTexts(signed, rules).full }
    : undefined;
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
