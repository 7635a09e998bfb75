import { canonicalJson } from '../protocol/canonical-json.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { CrossSigningStore, KeySignature } from '../store/e2ee/cross-signing.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

/** A key as it is stored: without what the server adds. Equal keys have equal texts. */
export function keyText(key: JsonObject | string): string {
  if (typeof key === 'string') return canonicalJson(key, 'lenient');
  const { unsigned: _unsigned, ...rest } = key;
  return canonicalJson(rest, 'lenient');
}

/** A stored key that is an object. */
export function storedKey(text: string): JsonObject {
  const value = parseJson(text);
  return isJsonObject(value) ? value : {};
}

/** The key with the signatures that came later and that `viewer` may see: its owner's, and the viewer's own. */
export function withSignatures(
  key: JsonObject,
  owner: { readonly user: UserNid; readonly target: string; readonly viewer: UserNid },
  uses: { readonly crossSigning: CrossSigningStore; readonly interning: Interning },
): JsonObject {
  const rows = uses.crossSigning.signatures(owner.user, owner.target, owner.viewer);
  if (rows.length === 0) return key;
  const given = isJsonObject(key['signatures']) ? key['signatures'] : {};
  const signatures = new Map(Object.entries(given));
  const bySigner: Map<UserNid, KeySignature[]> = Map.groupBy(rows, ({ signer }) => signer);
  for (const [signer, own] of bySigner) {
    const signerId = uses.interning.userId(signer);
    const before = signatures.get(signerId);
    const added = own.map(({ keyId, signature }) => [keyId, signature] as const);
    signatures.set(signerId, Object.fromEntries([...(isJsonObject(before) ? Object.entries(before) : []), ...added]));
  }
  return { ...key, signatures: Object.fromEntries(signatures) };
}
