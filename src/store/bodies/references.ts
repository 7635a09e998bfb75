import type { EventNid } from '../nids.ts';
import { ByteReader } from '../varint.ts';
import { PACKED_FORMAT, packedFlags } from './format-1.ts';

/**
 * The events that a stored body names by number; a raw body names nothing so. Reads the first bytes only, nothing is
 * inflated. Events are all that a body names: what else it leaves out is in the columns of its row, and the servers of
 * its signatures are written out.
 */
export function bodyReferences(nid: EventNid, format: number, body: Buffer | null): EventNid[] {
  if (format === 0 || body === null) return [];
  if (format !== PACKED_FORMAT) throw new Error(`event ${nid} is stored in an unknown format ${format}`);
  const reader = new ByteReader(body);
  const flags = reader.varint();
  const found: EventNid[] = [];
  const take = () => found.push((nid - reader.signed()) as EventNid);
  if ((flags & packedFlags.REFERENCES) !== 0) {
    const hash = (flags & packedFlags.PAIRS) !== 0 ? 32 : 0;
    for (const _ of ['prev_events', 'auth_events']) {
      for (let left = reader.varint(); left > 0; left--) {
        take();
        reader.skip(hash);
      }
    }
  }
  if ((flags & packedFlags.REDACTS) !== 0) take();
  return found;
}
