import type { AuthEvent, SignatureChecks } from '../../../src/protocol/event-auth/types.ts';
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';

/** An event as the vectors write it, in either form of references; IDs are labels. */
export interface Pdu {
  readonly event_id: string;
  readonly type: string;
  readonly state_key?: string;
  readonly sender: string;
  readonly room_id?: string;
  readonly content: JsonObject;
  readonly auth_events: readonly (string | readonly [string, unknown])[];
  readonly prev_events: readonly (string | readonly [string, unknown])[];
  readonly origin_server_ts: number;
  readonly depth?: number;
  readonly redacts?: string;
}

export function authEventOf(pdu: Pdu): AuthEvent<string> {
  return {
    id: pdu.event_id,
    eventId: pdu.event_id as EventId,
    type: pdu.type,
    ...(pdu.state_key !== undefined && { stateKey: pdu.state_key }),
    sender: pdu.sender as UserId,
    ...(pdu.room_id !== undefined && { roomId: pdu.room_id as RoomId }),
    content: pdu.content,
    authEvents: pdu.auth_events.map(idOf),
    prevEvents: pdu.prev_events.map(idOf),
    originServerTs: pdu.origin_server_ts,
    depth: pdu.depth ?? 1,
    ...(pdu.redacts !== undefined && { redacts: pdu.redacts }),
  };
}

function idOf(reference: string | readonly [string, unknown]): string {
  return typeof reference === 'string' ? reference : reference[0];
}

/** Every signature that is asked for is there. */
export const goodSignatures: SignatureChecks<string> = { isSignedBy: () => true, verify: () => true };
export const badSignatures: SignatureChecks<string> = { isSignedBy: () => false, verify: () => false };
