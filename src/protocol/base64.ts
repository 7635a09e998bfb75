import { hash } from 'node:crypto';

/**
 * Base64 without padding, as Matrix writes keys, hashes and signatures.
 * @see https://spec.matrix.org/v1.19/appendices/#unpadded-base64
 */
export type Base64Alphabet = 'standard' | 'url';

/** Bytes as unpadded base64 in the standard alphabet (`+` and `/`). */
export function encodeBase64(bytes: Uint8Array): string {
  const text = asBuffer(bytes).toString('base64');
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x3d) end--;
  return text.slice(0, end);
}

/** Bytes as unpadded base64 in the URL-safe alphabet (`-` and `_`). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url');
}

/**
 * The bytes of an unpadded base64 text, or `undefined` unless encoding them again gives the identical text: no
 * padding, no foreign letter, no stray bits in the last letter.
 */
export function decodeBase64(text: string, alphabet: Base64Alphabet = 'standard'): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  const again = alphabet === 'standard' ? encodeBase64(bytes) : encodeBase64Url(bytes);
  return again === text ? bytes : undefined;
}

/**
 * The bytes of a text that other software wrote: padded or not, stray bits in the last letter ignored, as the
 * verifiers in the field do. Still `undefined` for a letter outside the alphabet or an impossible length.
 */
export function decodeBase64Lenient(text: string, alphabet: Base64Alphabet = 'standard'): Buffer | undefined {
  const letters = alphabet === 'standard' ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9_-]*={0,2}$/;
  if (!letters.test(text)) return undefined;
  const length = text.endsWith('=') ? text.indexOf('=') : text.length;
  return length % 4 === 1 ? undefined : Buffer.from(text, 'base64');
}

/** SHA-256 of a text's UTF-8 as unpadded standard base64. */
export function sha256Base64(text: string): string {
  // 32 bytes always end in exactly one padding letter.
  return hash('sha256', text, 'base64').slice(0, 43);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
