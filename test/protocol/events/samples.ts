import assert from 'node:assert/strict';
import type { EventDraft, EventSigner } from '../../../src/protocol/events/build.ts';
import type { EventRef } from '../../../src/protocol/events/pdu.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';

export function rulesOf(version: string): RoomVersionRules {
  return roomVersionRules(version) ?? assert.fail(`room version ${version}`);
}

/** A server that signs with a key grown from one byte. */
export function signerOf(server: string, seed = 7): EventSigner {
  return { serverName: asServerName(server), key: new SigningKey(asKeyId('ed25519:a_AbCd'), Buffer.alloc(32, seed)) };
}

/** An event ID of the form of the room version that stands for `letter`. */
export function eventIdLike(letter: string, rules: RoomVersionRules): EventId {
  return asEventId(rules.eventIdFormat === 'v1' ? `$${letter}:example.org` : `$${letter.repeat(42)}A`);
}

export function refLike(letter: string, rules: RoomVersionRules): EventRef {
  const id = eventIdLike(letter, rules);
  return rules.refsAsPairs ? [id, { sha256: 'abc' }] : id;
}

/** A message of Alice in a room of the given version. */
export function messageDraft(rules: RoomVersionRules, changes: Partial<EventDraft> = {}): EventDraft {
  return {
    type: 'm.room.message',
    sender: asUserId('@alice:example.org'),
    content: { msgtype: 'm.text', body: 'hi 😀' },
    roomId: asRoomId(rules.roomIdIsCreateHash ? `!${'r'.repeat(42)}A` : '!r:example.org'),
    prevEvents: [refLike('p', rules)],
    authEvents: [refLike('a', rules), refLike('b', rules)],
    depth: 5,
    originServerTs: 1_700_000_000_000,
    ...(rules.eventIdFormat === 'v1' ? { eventId: asEventId('$own:example.org') } : {}),
    ...changes,
  };
}
