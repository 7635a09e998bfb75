import type { JsonObject } from '../../util/json.ts';
import type { EventId, RoomId, UserId } from '../ids/types.ts';

/**
 * What the auth rules and state resolution read of an event. `Id` is whatever names an event for the caller: its
 * database number inside the server, its event ID in tests. Ids are compared by `===` and used as keys of a `Map`.
 */
export interface AuthEvent<Id = EventId> {
  readonly id: Id;
  /** The event ID as text: it breaks ties in every order, and in room version 12 the create event's is the room ID. */
  readonly eventId: EventId;
  readonly type: string;
  /** Absent for a message event. */
  readonly stateKey?: string;
  readonly sender: UserId;
  /** Absent only from a create event of room version 12. */
  readonly roomId?: RoomId;
  readonly content: JsonObject;
  /** As the event cites them: in room version 12 the create event is not among them. */
  readonly authEvents: readonly Id[];
  readonly prevEvents: readonly Id[];
  /** Milliseconds by the sender's clock. */
  readonly originServerTs: number;
  readonly depth: number;
  /** The target of an `m.room.redaction`; needed in room versions 1 and 2 only. */
  readonly redacts?: string;
  /**
   * Whether the event failed its auth checks. An event rejected by its own auth events is in no state and in no
   * auth chain of one, so what is rejected here was rejected by the state before it.
   */
  readonly rejected?: boolean;
}

/** Reads one entry of a room state. No rule needs the state as a whole. */
export type StateLookup<Id = EventId> = (type: string, stateKey: string) => AuthEvent<Id> | undefined;

/** The cryptography that some rules ask for, as questions about an event already in hand. */
export interface SignatureChecks<Id = EventId> {
  /** Whether the event carries a valid signature of `server` (rule on `join_authorised_via_users_server`). */
  isSignedBy(event: AuthEvent<Id>, server: string): boolean;
  /**
   * Whether `signature` (base64) over `signed`, as a signed JSON object, was made by `publicKey` (base64, either
   * alphabet): the proof inside an accepted third-party invite.
   */
  verify(publicKey: string, signature: string, signed: JsonObject): boolean;
}

/** The outcome of the auth rules. `rule` is the number in the text of the event's room version, such as `5.3.2`. */
export type Verdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly rule: string; readonly reason: string };

export const ALLOWED: Verdict = { allowed: true };

export function reject(rule: string, reason: string): Verdict {
  return { allowed: false, rule, reason };
}
