import { sha256Base64 } from '../../protocol/base64.ts';
import { canonicalJson } from '../../protocol/canonical-json.ts';
import type { JsonObject } from '../../util/json.ts';

/**
 * The content hash of an event that was read back from the database: SHA-256 of its canonical JSON without `unsigned`,
 * `signatures` and `hashes`. Numbers are written as JavaScript has them; that an event survives this is proved when
 * it is packed.
 * @see https://spec.matrix.org/v1.19/server-server-api/#calculating-the-content-hash-for-an-event
 */
export function contentHash(pdu: JsonObject): string {
  const { unsigned: _unsigned, signatures: _signatures, hashes: _hashes, ...hashed } = pdu;
  return sha256Base64(canonicalJson(hashed, 'lenient'));
}
