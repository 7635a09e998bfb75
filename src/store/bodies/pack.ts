import { deflateRawSync } from 'node:zlib';
import { decodeBase64 } from '../../protocol/base64.ts';
import { canonicalJson } from '../../protocol/canonical-json.ts';
import { isServerName } from '../../protocol/ids/server-name.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid } from '../nids.ts';
import { ByteWriter } from '../varint.ts';
import { contentHash } from './content-hash.ts';
import { dictionary1 } from './dictionary-1.ts';
import { keyIdPrefix, packedFlags, windowBits } from './format-1.ts';
import type { PackedRow } from './unpack.ts';

/** zlib takes no less. */
const smallestChunk = 64;

/** Whether an event is stored, so that its NID and ID stay as long as it does. */
export type IsStored = (nid: EventNid) => boolean;

interface Reference {
  readonly nid: EventNid;
  readonly hash: Buffer | undefined;
}

/**
 * Packs an event's canonical JSON in format 1. What does not fit a field goes into the text, so every event that
 * survives JSON.parse can be packed; whether it rebuilds is for the caller to prove.
 */
export function pack(canonical: string, row: PackedRow, interning: Interning, isStored: IsStored): Buffer {
  return new Packing(JSON.parse(canonical) as JsonObject, row, interning, isStored).run();
}

/** Takes members away from the event as they are written; what is left in the end is the text. */
class Packing {
  readonly #pdu: JsonObject;
  readonly #row: PackedRow;
  readonly #interning: Interning;
  readonly #isStored: IsStored;
  readonly #writer = new ByteWriter();
  readonly #hash: string;
  #flags = 0;

  constructor(pdu: JsonObject, row: PackedRow, interning: Interning, isStored: IsStored) {
    this.#hash = contentHash(pdu);
    this.#pdu = pdu;
    this.#row = row;
    this.#interning = interning;
    this.#isStored = isStored;
  }

  run(): Buffer {
    this.#takeKnown();
    this.#takeReferences();
    this.#takeRedacts();
    this.#takeHash();
    this.#takeSignatures();
    this.#writeText();
    const fields = this.#writer.finish();
    const head = new ByteWriter();
    head.varint(this.#flags);
    head.bytes(fields);
    return head.finish();
  }

  /** Takes a member away if it has this value. */
  #take(member: string, value: JsonValue | undefined, flag = 0): void {
    if (value === undefined || this.#pdu[member] !== value) return;
    delete this.#pdu[member];
    this.#flags |= flag;
  }

  #takeKnown(): void {
    const { room, type, sender, stateKey, nid, ts, depth } = this.#row;
    this.#take('type', this.#interning.typeName(type));
    this.#take('sender', this.#interning.userId(sender));
    this.#take('origin_server_ts', ts);
    this.#take('depth', depth);
    if (stateKey !== null) this.#take('state_key', this.#interning.stateKeyOf(stateKey).skey);
    this.#take('room_id', this.#interning.roomId(room), packedFlags.ROOM_ID);
    this.#take('origin', this.#interning.serverName(this.#interning.userServer(sender)), packedFlags.ORIGIN);
    if (this.#pdu['event_id'] !== undefined) {
      this.#take('event_id', this.#interning.eventId(nid), packedFlags.EVENT_ID);
    }
  }

  #takeReferences(): void {
    const prev = this.#references(this.#pdu['prev_events']);
    const auth = this.#references(this.#pdu['auth_events']);
    if (prev === undefined || auth === undefined) return;
    const hashes = new Set([...prev, ...auth].map((reference) => reference.hash !== undefined));
    if (hashes.size > 1) return;
    const pairs = hashes.has(true);
    for (const references of [prev, auth]) {
      this.#writer.varint(references.length);
      for (const { nid, hash } of references) {
        this.#writer.signed(this.#row.nid - nid);
        if (hash !== undefined) this.#writer.bytes(hash);
      }
    }
    delete this.#pdu['prev_events'];
    delete this.#pdu['auth_events'];
    this.#flags |= packedFlags.REFERENCES | (pairs ? packedFlags.PAIRS : 0);
  }

  #references(value: JsonValue | undefined): Reference[] | undefined {
    if (!Array.isArray(value)) return undefined;
    const references: Reference[] = [];
    for (const item of value) {
      const [id, hashes] = Array.isArray(item) ? item : [item];
      const nid = this.#known(id);
      const hash = hashes === undefined ? undefined : onlySha256(hashes);
      if (nid === undefined || (hashes !== undefined && hash === undefined)) return undefined;
      references.push({ nid, hash });
    }
    return references;
  }

  /** The NID of an event that is stored; that of any other could be swept away. */
  #known(id: JsonValue | undefined): EventNid | undefined {
    const nid = typeof id === 'string' ? this.#interning.findEvent(id) : undefined;
    return nid !== undefined && this.#isStored(nid) ? nid : undefined;
  }

  #takeRedacts(): void {
    const target = this.#known(this.#pdu['redacts']);
    if (target === undefined) return;
    delete this.#pdu['redacts'];
    this.#flags |= packedFlags.REDACTS;
    this.#writer.signed(this.#row.nid - target);
  }

  #takeHash(): void {
    const hash = onlySha256(this.#pdu['hashes']);
    if (hash === undefined) return;
    delete this.#pdu['hashes'];
    if (hash.toString('base64').startsWith(this.#hash)) {
      this.#flags |= packedFlags.HASH_COMPUTED;
    } else {
      this.#flags |= packedFlags.HASH_STORED;
      this.#writer.bytes(hash);
    }
  }

  #takeSignatures(): void {
    const signatures = this.#pdu['signatures'];
    if (!isJsonObject(signatures)) return;
    const own = this.#interning.serverName(this.#interning.userServer(this.#row.sender));
    const list = signatureList(signatures);
    if (list === undefined) return;
    this.#writer.varint(list.length);
    for (const { server, key, signature } of list) {
      this.#writer.prefixed(Buffer.from(server === own ? '' : server));
      this.#writer.prefixed(Buffer.from(key));
      this.#writer.bytes(signature);
    }
    delete this.#pdu['signatures'];
    this.#flags |= packedFlags.SIGNATURES;
  }

  #writeText(): void {
    const only = Object.keys(this.#pdu).length === 1 ? this.#pdu['content'] : undefined;
    if (only === undefined) this.#flags |= packedFlags.REST;
    const text = Buffer.from(canonicalJson(only ?? this.#pdu, 'lenient'));
    // Little memory: for a text of this size more makes it slower, not smaller.
    // What does not get shorter is not kept, so one chunk is enough; zlib would take 16 KiB for each call otherwise.
    const chunkSize = Math.max(smallestChunk, text.length);
    const deflated = deflateRawSync(text, { dictionary: dictionary1, windowBits, level: 9, memLevel: 5, chunkSize });
    if (deflated.length + 2 >= text.length) {
      this.#writer.bytes(text);
      return;
    }
    this.#flags |= packedFlags.DEFLATED;
    this.#writer.varint(text.length);
    this.#writer.bytes(deflated);
  }
}

/** The hash of `{ "sha256": "…" }`, if that is all and is 32 bytes. */
function onlySha256(value: JsonValue | undefined): Buffer | undefined {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return undefined;
  const text = value['sha256'];
  const hash = typeof text === 'string' ? decodeBase64(text) : undefined;
  return hash?.length === 32 ? hash : undefined;
}

interface Signature {
  readonly server: string;
  readonly key: string;
  readonly signature: Buffer;
}

/** All signatures, if each is in the ordinary form. A server without any would be lost; one named `__proto__` is none. */
function signatureList(signatures: JsonObject): Signature[] | undefined {
  const list: Signature[] = [];
  for (const [server, keys] of Object.entries(signatures)) {
    if (!isJsonObject(keys) || Object.keys(keys).length === 0 || !isServerName(server)) return undefined;
    for (const [key, text] of Object.entries(keys)) {
      const signature = typeof text === 'string' ? decodeBase64(text) : undefined;
      if (signature?.length !== 64 || !key.startsWith(keyIdPrefix)) return undefined;
      list.push({ server, key: key.slice(keyIdPrefix.length), signature });
    }
  }
  return list;
}
