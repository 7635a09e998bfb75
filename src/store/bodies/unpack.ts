import { encodeBase64 } from '../../protocol/base64.ts';
import { Inflater } from '../../util/inflate.ts';
import type { JsonArray, JsonObject, JsonValue } from '../../util/json.ts';
import type { Names } from '../interning/names.ts';
import type { EventNid, RoomNid, StateKeyNid, TypeNid, UserNid } from '../nids.ts';
import { ByteReader } from '../varint.ts';
import { contentHash } from './content-hash.ts';
import { dictionary1 } from './dictionary-1.ts';
import { keyIdPrefix, PACKED_FORMAT, packedFlags } from './format-1.ts';

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

/** A body's own columns, for a SELECT from `event` joined with `bodyTables`. */
export const storedBody = 'ifnull(event_body.format, 0) AS format, ifnull(event_body.body, event_raw.body) AS body';

/** The columns of a `PackedRow`, likewise. */
export const bodyColumns = `event.nid, ${storedBody}, event.room, event.type, event.sender, event.state_key AS stateKey, event.depth, event.ts`;

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
export function unpack(row: PackedRow, names: Names, part: BodyPart): JsonObject {
  if (row.format !== PACKED_FORMAT) throw new Error(`event ${row.nid} is stored in an unknown format ${row.format}`);
  const reader = new ByteReader(row.body);
  const flags = reader.varint();
  const has = (flag: number) => (flags & flag) !== 0;
  const pdu: JsonObject = {};
  if (has(packedFlags.REFERENCES)) readReferences(pdu, reader, row, names, has(packedFlags.PAIRS), part);
  if (has(packedFlags.REDACTS)) pdu['redacts'] = names.eventId((row.nid - reader.signed()) as EventNid);
  const hash = has(packedFlags.HASH_STORED) ? reader.bytes(32) : undefined;
  if (has(packedFlags.SIGNATURES)) readSignatures(pdu, reader, row, names, part);
  readText(pdu, reader, flags);
  pdu['type'] = names.typeName(row.type);
  pdu['sender'] = names.userId(row.sender);
  pdu['origin_server_ts'] = row.ts;
  if (has(packedFlags.ROOM_ID)) pdu['room_id'] = names.roomId(row.room);
  if (row.stateKey !== null) pdu['state_key'] = names.stateKeyOf(row.stateKey).skey;
  if (has(packedFlags.EVENT_ID)) pdu['event_id'] = names.eventId(row.nid);
  if (part === 'shown') return strip(pdu, part);
  pdu['depth'] = row.depth;
  if (has(packedFlags.ORIGIN)) pdu['origin'] = names.serverName(names.userServer(row.sender));
  if (part === 'unsealed') return strip(pdu, part);
  if (hash !== undefined) pdu['hashes'] = { sha256: encodeBase64(hash) };
  else if (has(packedFlags.HASH_COMPUTED)) pdu['hashes'] = { sha256: contentHash(pdu) };
  return pdu;
}

/**
 * The canonical JSON of an event's content, taken from the body as it is: neither parsed nor written anew. `undefined` if
 * clients are shown more of the body than its content, or if the body is not packed.
 */
export function contentText(row: Pick<PackedRow, 'format' | 'body'>): string | undefined {
  if (row.format !== PACKED_FORMAT) return undefined;
  const reader = new ByteReader(row.body);
  const flags = reader.varint();
  if ((flags & (packedFlags.REST | packedFlags.REDACTS)) !== 0) return undefined;
  if ((flags & packedFlags.REFERENCES) !== 0) {
    const hash = (flags & packedFlags.PAIRS) !== 0 ? 32 : 0;
    for (const _ of ['prev_events', 'auth_events']) {
      for (let left = reader.varint(); left > 0; left--) {
        reader.signed();
        reader.skip(hash);
      }
    }
  }
  if ((flags & packedFlags.HASH_STORED) !== 0) reader.skip(32);
  if ((flags & packedFlags.SIGNATURES) !== 0) {
    for (let left = reader.varint(); left > 0; left--) {
      reader.skip(reader.varint());
      reader.skip(reader.varint());
      reader.skip(64);
    }
  }
  return textOf(reader, flags);
}

function readReferences(
  pdu: JsonObject,
  reader: ByteReader,
  row: PackedRow,
  names: Names,
  pairs: boolean,
  part: BodyPart,
): void {
  for (const member of ['prev_events', 'auth_events']) {
    const references: JsonArray = [];
    for (let left = reader.varint(); left > 0; left--) {
      const nid = (row.nid - reader.signed()) as EventNid;
      const hash = pairs ? reader.bytes(32) : undefined;
      if (part === 'shown') continue;
      const id = names.eventId(nid);
      references.push(hash === undefined ? id : [id, { sha256: encodeBase64(hash) }]);
    }
    if (part !== 'shown') pdu[member] = references;
  }
}

function readSignatures(pdu: JsonObject, reader: ByteReader, row: PackedRow, names: Names, part: BodyPart): void {
  const signatures: { [server: string]: JsonObject } = {};
  for (let left = reader.varint(); left > 0; left--) {
    const server = reader.prefixed().toString();
    const key = reader.prefixed();
    const signature = reader.bytes(64);
    if (part !== 'whole') continue;
    const name = server === '' ? names.serverName(names.userServer(row.sender)) : server;
    signatures[name] ??= {};
    const ofServer = signatures[name];
    ofServer[`${keyIdPrefix}${key.toString()}`] = encodeBase64(signature);
  }
  if (part === 'whole') pdu['signatures'] = signatures;
}

const inflater = new Inflater(dictionary1);

/** The last part of a body. */
function textOf(reader: ByteReader, flags: number): string {
  if ((flags & packedFlags.DEFLATED) === 0) return reader.rest().toString();
  const length = reader.varint();
  return inflater.text(reader.rest(), length);
}

function readText(pdu: JsonObject, reader: ByteReader, flags: number): void {
  const value = JSON.parse(textOf(reader, flags)) as JsonValue;
  if ((flags & packedFlags.REST) === 0) pdu['content'] = value;
  else Object.assign(pdu, value);
}
