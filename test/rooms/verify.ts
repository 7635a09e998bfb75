import assert from 'node:assert/strict';
import { contentHash, eventIdOf } from '../../src/protocol/events/hashes.ts';
import { EventTexts } from '../../src/protocol/events/texts.ts';
import { VerifyKey } from '../../src/protocol/signing/keys.ts';
import type { CommittedEvent } from '../../src/rooms/input/observer.ts';
import { worldKey } from './room-world.ts';

/** Asserts that ID, content hash and signature of an event of the world's server are right. */
export function verifyEventSignature({ pdu, eventId, rules }: CommittedEvent): void {
  const event = { ...pdu };
  assert.equal(eventIdOf(event, rules), eventId);
  assert.equal(contentHash(event, rules), pdu.hashes.sha256);
  const key = VerifyKey.from(worldKey.publicKey);
  const signature = pdu.signatures['localhost']?.[worldKey.keyId];
  assert.ok(key !== undefined && signature !== undefined);
  assert.ok(key.verifyBase64(new EventTexts(event, rules).signed, signature), `${pdu.type} is not signed well`);
}
