import type { RoomNid } from '../../store/nids.ts';

/**
 * The key of a client's transaction ID. An ID counts for one device and one path, so the key holds what the path
 * says besides: which call, which room, and the event type or the redacted event. Numbers keep it short: a row is
 * written for every message.
 * @see https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers
 */
export function transactionKey(call: 'send' | 'redact', room: RoomNid, about: number, txnId: string): string {
  return `${call === 'send' ? 's' : 'r'}${room}.${about}.${txnId}`;
}

/** The transaction ID as the client gave it. */
export function transactionIdOf(key: string): string {
  return key.slice(key.indexOf('.', key.indexOf('.') + 1) + 1);
}
