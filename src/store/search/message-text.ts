import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos } from '../nids.ts';

/** What is searched: the words of a text all have to be there. */
export interface TextQuery {
  /** Words, or beginnings of words. */
  readonly beginnings: readonly string[];
  /** Tokens that have to be there as they are. */
  readonly tokens: readonly string[];
  /** Only texts of these rooms; `undefined`: of any. */
  readonly rooms: readonly RoomNid[] | undefined;
  /** Only texts of these kinds. */
  readonly kinds: readonly TextKind[] | undefined;
}

export type TextKind = 'body' | 'name' | 'topic';

// Words have letters, digits and marks only, so that no text can hold these: they begin with signs for private use.
const roomToken = (room: RoomNid): string => `\u{E000}${room}`;
const kindToken = (kind: TextKind): string => `\u{E001}${kind}`;

/** The index of the words of messages, names and topics, and how far it has come. Writing methods belong inside a write. */
export class MessageTextStore {
  readonly #insert;
  readonly #remove;
  readonly #find;
  readonly #clear;
  readonly #cursor;
  readonly #setCursor;

  constructor(db: Database) {
    this.#insert = db.prepare<[nid: number, words: string], never>(
      'INSERT OR REPLACE INTO message_text (rowid, words) VALUES (?, ?)',
    );
    this.#remove = db.prepare<[nid: number], never>('DELETE FROM message_text WHERE rowid = ?');
    this.#find = db
      .prepare<[expression: string, before: number, limit: number], EventNid>(
        'SELECT rowid FROM message_text WHERE message_text MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?',
      )
      .pluck();
    this.#clear = db.prepare<[], never>("INSERT INTO message_text (message_text) VALUES ('delete-all')");
    this.#cursor = db.prepare<[], StreamPos>("SELECT value FROM meta WHERE key = 'search'").pluck();
    this.#setCursor = db.prepare<[pos: number], never>(
      "INSERT INTO meta (key, value) VALUES ('search', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
  }

  /** Adds a text, or puts it in the place of the one that the event had. */
  put(event: EventNid, room: RoomNid, kind: TextKind, tokens: Iterable<string>): void {
    this.#insert.run(event, [roomToken(room), kindToken(kind), ...tokens].join(' '));
  }

  remove(event: EventNid): void {
    this.#remove.run(event);
  }

  /** Events before one, the newest first. */
  find(query: TextQuery, before: number, limit: number): EventNid[] {
    return this.#find.all(expressionOf(query), before, limit);
  }

  /** Up to where events are in the index. */
  get cursor(): StreamPos {
    return this.#cursor.get() ?? (0 as StreamPos);
  }

  setCursor(pos: StreamPos): void {
    this.#setCursor.run(pos);
  }

  /** Forgets everything; indexing would begin anew. */
  clear(): void {
    this.#clear.run();
    this.#setCursor.run(0);
  }
}

/** Tokens are quoted; they hold no quotes themselves. */
function expressionOf({ beginnings, tokens, rooms, kinds }: TextQuery): string {
  const anyOf = (choices: readonly string[]): string => `(${choices.map((token) => `"${token}"`).join(' OR ')})`;
  const parts = [...beginnings.map((word) => `"${word}"*`), ...tokens.map((token) => `"${token}"`)];
  if (rooms !== undefined) parts.push(anyOf(rooms.map(roomToken)));
  if (kinds !== undefined) parts.push(anyOf(kinds.map(kindToken)));
  return parts.join(' AND ');
}
