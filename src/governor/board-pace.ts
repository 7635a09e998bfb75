import { generateKeyPairSync, sign, verify } from 'node:crypto';
import type { Clock } from '../util/clock.ts';

/** Taking in a state event costs about as much as so many checks of a signature: it is checked, hashed, judged, stored. */
const checksPerEvent = 6;
const rounds = 32;
/** For a clock that stands still. */
const usual = 1;

/** Milliseconds for a state event of a joined room, on a board that has not joined any: from how fast it checks signatures. */
export function assumedPace(clock: Clock): number {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const message = Buffer.alloc(800, 'x');
  const signature = sign(null, message, privateKey);
  // The first one loads what it needs.
  verify(null, message, publicKey, signature);
  const start = clock.monotonic();
  for (let i = 0; i < rounds; i++) verify(null, message, publicKey, signature);
  const each = (clock.monotonic() - start) / rounds;
  return each > 0 ? each * checksPerEvent : usual;
}
