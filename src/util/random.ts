import { randomBytes, randomInt } from 'node:crypto';

/** The only source of chance. Tests replace it by a seeded one. */
export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Buffer;
  /** A whole number in `[0, limit)`; `limit` ≤ 2^48. */
  below(limit: number): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  below: (limit) => randomInt(limit),
};

/** An opaque token of `byteCount` random bytes in URL-safe base64 without padding. */
export function randomToken(random: Random, byteCount: number): string {
  return random.bytes(byteCount).toString('base64url');
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `length` random ASCII letters: readable identifiers such as room IDs and device IDs. */
export function randomLetters(random: Random, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += letters[random.below(letters.length)];
  return text;
}
