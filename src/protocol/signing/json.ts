import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { encodeBase64 } from '../base64.ts';
import { type CanonicalForm, canonicalJson } from '../canonical-json.ts';
import type { KeyId, ServerName, UserId } from '../ids/types.ts';
import type { SigningKey, VerifyKey } from './keys.ts';

/** Who signs JSON: servers, and users by their devices and cross-signing keys. */
export type Signer = ServerName | UserId;

/**
 * The canonical text that a signature of a JSON object covers: all but `signatures` and `unsigned`.
 * @see https://spec.matrix.org/v1.19/appendices/#signing-json
 */
export function signableText(object: Readonly<Record<string, unknown>>, form: CanonicalForm = 'strict'): string {
  const { signatures: _signatures, unsigned: _unsigned, ...covered } = object;
  return canonicalJson(covered, form);
}

/** A copy of the object with one more signature; others and `unsigned` stay. Throws `CanonicalJsonError`. */
export function signJson(
  object: Readonly<JsonObject>,
  signer: Signer,
  key: SigningKey,
  form: CanonicalForm = 'strict',
): JsonObject {
  return addSignature(object, signer, key.keyId, encodeBase64(key.sign(signableText(object, form))));
}

/** A copy of the object with a signature put in its place. */
export function addSignature<T extends Readonly<JsonObject>>(
  object: T,
  signer: Signer,
  keyId: KeyId,
  signature: string,
): T & { signatures: JsonObject } {
  const signatures = isJsonObject(object['signatures']) ? object['signatures'] : {};
  const own = isJsonObject(signatures[signer]) ? signatures[signer] : {};
  return { ...object, signatures: { ...signatures, [signer]: { ...own, [keyId]: signature } } };
}

/** The signature in base64 that an object carries of this signer and key, unchecked. */
export function signatureOf(object: Readonly<JsonObject>, signer: Signer, keyId: KeyId): string | undefined {
  return signaturesOf(object, signer).find(([id]) => id === keyId)?.[1];
}

/** All signatures of one signer as [key ID, base64], unchecked. */
export function signaturesOf(object: Readonly<JsonObject>, signer: Signer): readonly (readonly [KeyId, string])[] {
  const signatures = object['signatures'];
  if (!isJsonObject(signatures) || !Object.hasOwn(signatures, signer)) return [];
  const own = signatures[signer];
  if (!isJsonObject(own)) return [];
  return Object.entries(own).filter((entry): entry is [KeyId, string] => typeof entry[1] === 'string');
}

/**
 * Whether the object carries a valid signature of this signer with this key. An object without a canonical form has
 * none.
 * @see https://spec.matrix.org/v1.19/appendices/#checking-for-a-signature
 */
export function verifyJson(
  object: Readonly<JsonObject>,
  signer: Signer,
  keyId: KeyId,
  key: VerifyKey,
  form: CanonicalForm = 'strict',
): boolean {
  const signature = signatureOf(object, signer, keyId);
  if (signature === undefined) return false;
  let text: string;
  try {
    text = signableText(object, form);
  } catch {
    return false;
  }
  return key.verifyBase64(text, signature);
}
