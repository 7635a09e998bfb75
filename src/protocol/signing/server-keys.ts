import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { algorithmOf, isKeyId } from '../ids/key-id.ts';
import { isServerName } from '../ids/server-name.ts';
import type { KeyId, ServerName } from '../ids/types.ts';
import { verifyJson } from './json.ts';
import { VerifyKey } from './keys.ts';

/** A key that a server signs with, or has signed with until `expired`. */
export interface PublishedKey {
  readonly keyId: KeyId;
  readonly key: VerifyKey;
  /** Milliseconds since the epoch; `undefined`: it is in use. */
  readonly expired: number | undefined;
}

/** What a server publishes about its keys, checked. */
export interface PublishedKeys {
  readonly server: ServerName;
  readonly validUntil: number;
  readonly keys: readonly PublishedKey[];
}

/** A server has had a handful of keys; this many says that somebody wants to fill our disk. */
const maxKeys = 128;

/**
 * Reads a server's answer about its keys. `undefined` if a part is missing or wrong, or if it is not signed with any of
 * the keys in use that it names. Keys of unknown algorithms are passed over.
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2server
 */
export function readPublishedKeys(answer: Readonly<JsonObject>): PublishedKeys | undefined {
  const { server_name: server, verify_keys: current, old_verify_keys: old = {}, valid_until_ts: validUntil } = answer;
  if (typeof server !== 'string' || !isServerName(server) || !isTime(validUntil)) return undefined;
  if (!isJsonObject(current) || !isJsonObject(old)) return undefined;
  if (Object.keys(current).length + Object.keys(old).length > maxKeys) return undefined;
  const inUse = [...readKeys(current)].map(([keyId, key]) => ({ keyId, key, expired: undefined }));
  if (!inUse.some(({ keyId, key }) => verifyJson(answer, server, keyId, key))) return undefined;
  const used = new Set(inUse.map(({ keyId }) => keyId));
  const over: PublishedKey[] = [];
  for (const [keyId, key, { expired_ts: expired }] of readKeys(old)) {
    // A key that is in use has not expired, whatever stands in the other list.
    if (isTime(expired) && !used.has(keyId)) over.push({ keyId, key, expired });
  }
  return { server, validUntil, keys: [...inUse, ...over] };
}

function* readKeys(keys: JsonObject): Generator<readonly [KeyId, VerifyKey, JsonObject]> {
  for (const [keyId, value] of Object.entries(keys)) {
    if (!isKeyId(keyId) || algorithmOf(keyId) !== 'ed25519' || !isJsonObject(value)) continue;
    const text = value['key'];
    const key = typeof text === 'string' ? VerifyKey.fromBase64(text) : undefined;
    if (key !== undefined) yield [keyId, key, value];
  }
}

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
