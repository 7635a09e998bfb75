import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** The words of local users' names, and who may be shown to whom. */
export class UserDirectoryStore {
  readonly #find;
  readonly #words;
  readonly #insert;
  readonly #remove;
  readonly #shares;
  readonly #inOpenRoom;

  constructor(db: Database) {
    this.#find = db
      .prepare<[from: string, to: string, limit: number], UserNid>(
        'SELECT user FROM user_word WHERE word >= ? AND word < ? LIMIT ?',
      )
      .pluck();
    this.#words = db.prepare<[user: number], string>('SELECT word FROM user_word WHERE user = ?').pluck();
    this.#insert = db.prepare<[word: string, user: number], never>('INSERT INTO user_word (word, user) VALUES (?, ?)');
    this.#remove = db.prepare<[word: string, user: number], never>('DELETE FROM user_word WHERE word = ? AND user = ?');
    this.#shares = db
      .prepare<[user: number, other: number], number>(
        'SELECT 1 FROM local_member AS theirs CROSS JOIN local_member AS mine' +
          ' ON mine.user = ? AND mine.room = theirs.room AND mine.membership = 1' +
          ' WHERE theirs.user = ? AND theirs.membership = 1 LIMIT 1',
      )
      .pluck();
    this.#inOpenRoom = db
      .prepare<[user: number], number>(
        'SELECT 1 FROM local_member AS theirs CROSS JOIN open_room ON open_room.room = theirs.room' +
          ' WHERE theirs.user = ? AND theirs.membership = 1 LIMIT 1',
      )
      .pluck();
  }

  /** Users with a word that begins like this, at most `limit` words. */
  find(beginning: string, limit: number): UserNid[] {
    return [...new Set(this.#find.all(beginning, `${beginning}\u{10FFFF}`, limit))];
  }

  words(user: UserNid): string[] {
    return this.#words.all(user);
  }

  /** Inside a write: these are the user's words from now on. */
  setWords(user: UserNid, words: ReadonlySet<string>): void {
    const present = new Set(this.words(user));
    for (const word of present) if (!words.has(word)) this.#remove.run(word, user);
    for (const word of words) if (!present.has(word)) this.#insert.run(word, user);
  }

  /** Whether two local users are in a room together. */
  share(user: UserNid, other: UserNid): boolean {
    return this.#shares.get(user, other) !== undefined;
  }

  /** Whether the local user is in a room that anybody may join or read. */
  isInOpenRoom(user: UserNid): boolean {
    return this.#inOpenRoom.get(user) !== undefined;
  }
}
