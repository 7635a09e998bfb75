import type { RoomAlias } from '../../protocol/ids/types.ts';
import type { Database } from '../db.ts';
import type { RoomNid, UserNid } from '../nids.ts';

/** Aliases of this server: each points to one room. */
export class AliasStore {
  readonly #find;
  readonly #ofRoom;
  readonly #insert;
  readonly #remove;
  readonly #moveAll;

  constructor(db: Database) {
    this.#find = db.prepare<[alias: string], { room: RoomNid; creator: UserNid }>(
      'SELECT room, creator FROM alias WHERE alias = ?',
    );
    this.#ofRoom = db.prepare<[room: number], { alias: RoomAlias }>(
      'SELECT alias FROM alias WHERE room = ? ORDER BY alias',
    );
    this.#insert = db.prepare<[alias: string, room: number, creator: number], unknown>(
      'INSERT INTO alias (alias, room, creator) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#moveAll = db.prepare<[to: number, from: number], unknown>('UPDATE alias SET room = ? WHERE room = ?');
    this.#remove = db.prepare<[alias: string], unknown>('DELETE FROM alias WHERE alias = ?');
  }

  find(alias: RoomAlias): { readonly room: RoomNid; readonly creator: UserNid } | undefined {
    return this.#find.get(alias);
  }

  /** In the order of their text. */
  ofRoom(room: RoomNid): RoomAlias[] {
    return this.#ofRoom.all(room).map(({ alias }) => alias);
  }

  /** False, and nothing changed, if the alias exists. */
  insert(alias: RoomAlias, room: RoomNid, creator: UserNid): boolean {
    return this.#insert.run(alias, room, creator).changes === 1;
  }

  remove(alias: RoomAlias): void {
    this.#remove.run(alias);
  }

  /** Gives all aliases of a room to another. */
  moveAll(from: RoomNid, to: RoomNid): void {
    this.#moveAll.run(to, from);
  }
}
