import { decodeBase64, encodeBase64, encodeBase64Url } from '../../protocol/base64.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { Preparing } from '../database/reader.ts';
import type { Statement } from '../database/statement.ts';
import type { EventNid } from '../nids.ts';
import { NidCache } from './nid-cache.ts';

/** How an event ID is stored: as text, or as the 32 bytes of a hash in room version 3's or 4's base64. */
export type Alphabet = 0 | 3 | 4;

export interface StoredEventId {
  alphabet: Alphabet;
  id: string | Buffer;
}

/** `$` and the 43 letters of an unpadded base64 of 32 bytes. */
const HASH_ID_LENGTH = 44;

/**
 * The form an event ID is stored in. Bytes only if they give the identical string back: a text that merely decodes to
 * a hash (stray bits, another alphabet) is another event ID. A hash without the letters in which the two alphabets
 * differ fits both; it is always taken for version 4's, so that one string has one form.
 */
export function storedEventId(text: string): StoredEventId {
  if (text.length === HASH_ID_LENGTH && text.startsWith('$')) {
    const letters = text.slice(1);
    const url = decodeBase64(letters, 'url');
    if (url !== undefined) return { alphabet: 4, id: url };
    const standard = decodeBase64(letters, 'standard');
    if (standard !== undefined) return { alphabet: 3, id: standard };
  }
  return { alphabet: 0, id: text };
}

/** The event ID that `storedEventId` was given. */
export function eventIdText({ alphabet, id }: StoredEventId): EventId {
  if (typeof id === 'string') return id as EventId;
  return `$${alphabet === 3 ? encodeBase64(id) : encodeBase64Url(id)}` as EventId;
}

type Row = StoredEventId & { nid: EventNid };

export class EventIdTable {
  readonly #db: Preparing;
  readonly #cache: NidCache<EventNid, EventId>;
  readonly #findHash: Statement<[Buffer, Buffer, number], EventNid>;
  readonly #findText: Statement<[string], EventNid>;
  readonly #insert: Statement<[number, string | Buffer], never>;
  readonly #row: Statement<[number], StoredEventId>;
  readonly #rows: Statement<[string], Row>;

  constructor(db: Preparing, cacheLimit: number) {
    this.#db = db;
    this.#cache = new NidCache(cacheLimit);
    // The index holds half a hash (equal halves are no accident, and cost only a longer look), but whole texts: those
    // are chosen by the sender, who could give thousands the same beginning.
    const indexed = 'CASE alphabet WHEN 0 THEN id ELSE substr(id, 1, 16) END';
    this.#findHash = db
      .prepare<[Buffer, Buffer, number], EventNid>(
        `SELECT nid FROM event_id WHERE ${indexed} = ? AND id = ? AND alphabet = ?`,
      )
      .pluck();
    this.#findText = db
      .prepare<[string], EventNid>(`SELECT nid FROM event_id WHERE ${indexed} = ? AND alphabet = 0`)
      .pluck();
    this.#insert = db.prepare('INSERT INTO event_id (alphabet, id) VALUES (?, ?)');
    this.#row = db.prepare('SELECT alphabet, id FROM event_id WHERE nid = ?');
    this.#rows = db.prepare('SELECT nid, alphabet, id FROM event_id WHERE nid IN (SELECT value FROM json_each(?))');
  }

  find(text: string): EventNid | undefined {
    const cached = this.#cache.nid(text);
    if (cached !== undefined) return cached;
    const { alphabet, id } = storedEventId(text.toWellFormed());
    const nid = typeof id === 'string' ? this.#findText.get(id) : this.#findHash.get(id.subarray(0, 16), id, alphabet);
    if (nid !== undefined && text.isWellFormed()) this.#cache.setNid(text, nid);
    return nid;
  }

  intern(text: string): EventNid {
    return this.find(text) ?? this.add(text);
  }

  /** For a text that `find` has just not found. */
  add(text: string): EventNid {
    const key = text.toWellFormed();
    const { alphabet, id } = storedEventId(key);
    const nid = this.#insert.run(alphabet, id).lastInsertRowid as EventNid;
    this.#db.afterRollback(() => this.#cache.delete(key, nid));
    this.#cache.setNid(key, nid);
    // Whoever comes next cites it.
    this.#cache.setValue(nid, key as EventId);
    return nid;
  }

  text(nid: EventNid): EventId {
    const cached = this.#cache.value(nid);
    if (cached !== undefined) return cached;
    const text = this.#read(nid);
    this.#cache.setValue(nid, text);
    return text;
  }

  /** The same, not kept in memory. */
  passingText(nid: EventNid): EventId {
    return this.#cache.value(nid) ?? this.#read(nid);
  }

  #read(nid: EventNid): EventId {
    const row = this.#row.get(nid);
    if (row === undefined) throw new Error(`event_id has no NID ${nid}`);
    return eventIdText(row);
  }

  /** The texts of many, in one statement for those that are not in memory. Unknown NIDs are left out. */
  texts(nids: readonly EventNid[]): Map<EventNid, EventId> {
    const texts = new Map<EventNid, EventId>();
    const missing: EventNid[] = [];
    for (const nid of nids) {
      const cached = this.#cache.value(nid);
      if (cached !== undefined) texts.set(nid, cached);
      else missing.push(nid);
    }
    if (missing.length === 0) return texts;
    for (const row of this.#rows.all(JSON.stringify(missing))) {
      const text = eventIdText(row);
      this.#cache.setValue(row.nid, text);
      texts.set(row.nid, text);
    }
    return texts;
  }

  /** The same in no order, not kept in memory. */
  passingTexts(nids: readonly EventNid[]): EventId[] {
    return nids.length === 0 ? [] : this.#rows.all(JSON.stringify(nids)).map(eventIdText);
  }

  clearCache(): void {
    this.#cache.clear();
  }
}
