import { inflateRawSync } from 'node:zlib';
import { encodeBase64 } from '../../protocol/base64.ts';
import type { JsonArray, JsonObject, JsonValue } from '../../util/json.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid, RoomNid, StateKeyNid, TypeNid, UserNid } from '../nids.ts';
import { ByteReader } from '../varint.ts';
import { contentHash } from './content-hash.ts';
import { dictionary1 } from './dictionary-1.ts';
import { keyIdPrefix, PACKED_FORMAT, packedFlags, windowBits } from './format-1.ts';

/** A body with what its row knows. */
export interface PackedRow {
  readonly nid: EventNid;
  readonly format: number;
  readonly body: Buffer;
  readonly room: RoomNid;
  readonly type: TypeNid;
  readonly sender: UserNid;
  readonly stateKey: StateKeyNid | null;
  readonly depth: number;
  readonly ts: number;
}

/** The columns of a `PackedRow`, for a SELECT from `event` joined with `bodyTables`. */
export const bodyColumns =
  'event.nid, ifnull(event_body.format, 0) AS format, ifnull(event_body.body, event_raw.body) AS body, event.room,' +
  ' event.type, event.sender, event.state_key AS stateKey, event.depth, event.ts';

/** Joins both tables that a body may be in. */
export const bodyTables =
  'LEFT JOIN event_body ON event_body.nid = event.nid LEFT JOIN event_raw ON event_raw.nid = event.nid';

/**
 * How much of an event is wanted. `whole`: exactly what was stored. `unsealed`: without `hashes` and `signatures`, as the
 * auth rules read it. `shown`: also without what else clients never see (`hidden`). Each is cheaper than the one before.
 */
export type BodyPart = 'whole' | 'unsealed' | 'shown';

const seals = ['hashes', 'signatures'];
const hidden = [...seals, 'auth_events', 'depth', 'origin', 'prev_events', 'prev_state'];

/** Takes away what is not wanted. Deletes only what is there: deleting makes an object slow. */
export function strip(pdu: JsonObject, part: BodyPart): JsonObject {
  if (part === 'whole') return pdu;
  for (const member of part === 'shown' ? hidden : seals) if (Object.hasOwn(pdu, member)) delete pdu[member];
  return pdu;
}

/** Rebuilds the event of a packed body. */
export function unpack(row: PackedRow, interning: Interning, part: BodyPart): JsonObject {
  if (row.format !== PACKED_FORMAT) throw new Error(`event ${row.nid} is stored in an unknown format ${row.format}`);
  const reader = new ByteReader(row.body);
  const flags = reader.varint();
  const has = (flag: number) => (flags & flag) !== 0;
  const pdu: JsonObject = {};
  if (has(packedFlags.REFERENCES)) readReferences(pdu, reader, row, interning, has(packedFlags.PAIRS), part);
  if (has(packedFlags.REDACTS)) pdu['redacts'] = interning.eventId((row.nid - reader.signed()) as EventNid);
  const hash = has(packedFlags.HASH_STORED) ? reader.bytes(32) : undefined;
  if (has(packedFlags.SIGNATURES)) readSignatures(pdu, reader, row, interning, part);
  readText(pdu, reader, flags);
  pdu['type'] = interning.typeName(row.type);
  pdu['sender'] = interning.userId(row.sender);
  pdu['origin_server_ts'] = row.ts;
  if (has(packedFlags.ROOM_ID)) pdu['room_id'] = interning.roomId(row.room);
  if (row.stateKey !== null) pdu['state_key'] = interning.stateKeyOf(row.stateKey).skey;
  if (has(packedFlags.EVENT_ID)) pdu['event_id'] = interning.eventId(row.nid);
  if (part === 'shown') return strip(pdu, part);
  pdu['depth'] = row.depth;
  if (has(packedFlags.ORIGIN)) pdu['origin'] = interning.serverName(interning.userServer(row.sender));
  if (part === 'unsealed') return strip(pdu, part);
  if (hash !== undefined) pdu['hashes'] = { sha256: encodeBase64(hash) };
  else if (has(packedFlags.HASH_COMPUTED)) pdu['hashes'] = { sha256: contentHash(pdu) };
  return pdu;
}

function readReferences(
  pdu: JsonObject,
  reader: ByteReader,
  row: PackedRow,
  interning: Interning,
  pairs: boolean,
  part: BodyPart,
): void {
  for (const member of ['prev_events', 'auth_events']) {
    const references: JsonArray = [];
    for (let left = reader.varint(); left > 0; left--) {
      const nid = (row.nid - reader.signed()) as EventNid;
      const hash = pairs ? reader.bytes(32) : undefined;
      if (part === 'shown') continue;
      const id = interning.eventId(nid);
      references.push(hash === undefined ? id : [id, { sha256: encodeBase64(hash) }]);
    }
    if (part !== 'shown') pdu[member] = references;
  }
}

function readSignatures(
  pdu: JsonObject,
  reader: ByteReader,
  row: PackedRow,
  interning: Interning,
  part: BodyPart,
): void {
  const signatures: { [server: string]: JsonObject } = {};
  for (let left = reader.varint(); left > 0; left--) {
    const server = reader.prefixed().toString();
    const key = reader.prefixed();
    const signature = reader.bytes(64);
    if (part !== 'whole') continue;
    const name = server === '' ? interning.serverName(interning.userServer(row.sender)) : server;
    signatures[name] ??= {};
    const ofServer = signatures[name];
    ofServer[`${keyIdPrefix}${key.toString()}`] = encodeBase64(signature);
  }
  if (part === 'whole') pdu['signatures'] = signatures;
}

function readText(pdu: JsonObject, reader: ByteReader, flags: number): void {
  let text: string;
  if ((flags & packedFlags.DEFLATED) === 0) {
    text = reader.rest().toString();
  } else {
    const length = reader.varint();
    // The output fits one chunk of exactly its size; zlib would take 16 KiB for each call otherwise.
    const chunkSize = Math.max(64, length);
    text = inflateRawSync(reader.rest(), { dictionary: dictionary1, windowBits, chunkSize }).toString();
  }
  const value = JSON.parse(text) as JsonValue;
  if ((flags & packedFlags.REST) === 0) pdu['content'] = value;
  else Object.assign(pdu, value);
}
