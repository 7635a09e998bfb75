import { hash } from 'node:crypto';

/**
 * SHA-256 of bytes, or of a string's UTF-8. The one-shot form of node:crypto is the fastest for every size met here:
 * it makes no hash object and takes strings without copying them into a buffer first.
 */
export function sha256(data: string | Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}

/** SHA-1, in lower-case hex: state resolution version 1 orders events by it. Not for anything that must resist attack. */
export function sha1Hex(data: string | Uint8Array): string {
  return hash('sha1', data, 'hex');
}
