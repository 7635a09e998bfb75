import { fitsBytes } from './byte-length.ts';
import type { DeviceId, KeyId } from './types.ts';

const keyId = /^[^\s:]+:[^\s]+$/;
const serverKeyId = /^ed25519:[A-Za-z0-9_]+$/;

/** The longest device ID that is accepted, in bytes: as much as peers accept. */
const maxDeviceIdBytes = 512;

/** Whether `text` is `algorithm:identifier`, as every kind of key is named. */
export function isKeyId(text: string): text is KeyId {
  return keyId.test(text) && fitsBytes(text);
}

export function parseKeyId(text: string): KeyId | undefined {
  return isKeyId(text) ? text : undefined;
}

/** Brands a text that is known to be a key ID; throws `TypeError` if it is none. */
export function asKeyId(text: string): KeyId {
  if (!isKeyId(text)) throw new TypeError('not a key ID');
  return text;
}

/** Whether `text` is a name that a server may give its own signing key: `ed25519:` and letters, digits, underscores. */
export function isServerKeyId(text: string): text is KeyId {
  return serverKeyId.test(text) && fitsBytes(text);
}

/** The part before the first colon, such as `ed25519`. */
export function algorithmOf(key: KeyId): string {
  return key.slice(0, key.indexOf(':'));
}

/** The part after the first colon: a server key's version, a device ID, or a public key. */
export function keyNameOf(key: KeyId): string {
  return key.slice(key.indexOf(':') + 1);
}

/** Whether `text` can name a device: not empty, at most 512 bytes, no NUL, no lone surrogates. */
export function isDeviceId(text: string): text is DeviceId {
  return text !== '' && fitsBytes(text, maxDeviceIdBytes) && !text.includes('\0') && text.isWellFormed();
}

export function parseDeviceId(text: string): DeviceId | undefined {
  return isDeviceId(text) ? text : undefined;
}

/** Brands a text that is known to be a device ID; throws `TypeError` if it is none. */
export function asDeviceId(text: string): DeviceId {
  if (!isDeviceId(text)) throw new TypeError('not a device ID');
  return text;
}
