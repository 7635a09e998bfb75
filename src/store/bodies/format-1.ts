/**
 * Packed bodies, format 1. What the event row and the interning tables know is not repeated:
 *
 *     flags        varint, bits below
 *     prev_events  varint count, then each as a reference
 *     auth_events  likewise
 *     redacts      one reference, if REDACTS
 *     hash         32 bytes, if HASH_STORED
 *     signatures   varint count, then each: server name (empty: the sender's server) and key ID without `ed25519:`,
 *                  both with their length, and 64 bytes; if SIGNATURES
 *     text         the rest: canonical JSON of `content`, or if REST of an object with `content` and every other
 *                  top-level member; if DEFLATED: its length in bytes, then raw deflate with dictionary 1
 *
 * A reference is the distance from the event's own NID to the other's, signed; if PAIRS, 32 bytes of hash follow.
 * Type, sender, state key, origin_server_ts and depth come from the row. Once released, a format never changes.
 */
export const packedFlags = {
  ROOM_ID: 1,
  /** `hashes` is the SHA-256 that recomputing gives. */
  HASH_COMPUTED: 2,
  SIGNATURES: 4,
  DEFLATED: 8,
  REFERENCES: 16,
  /** `origin` is the sender's server. */
  ORIGIN: 32,
  REST: 64,
  HASH_STORED: 128,
  PAIRS: 256,
  /** `event_id` is the event's own. */
  EVENT_ID: 512,
  REDACTS: 1024,
} as const;

export const PACKED_FORMAT = 1;

/** What every key ID begins with that has ever been used. */
export const keyIdPrefix = 'ed25519:';

/** Bounds zlib's memory for each call; the dictionary fits in. */
export const windowBits = 13;
