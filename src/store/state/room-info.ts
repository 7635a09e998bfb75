import type { Database } from '../db.ts';
import type { LineNid, RoomNid, StreamPos } from '../nids.ts';

/** What is kept of a room as a whole. */
export interface RoomInfo {
  readonly room: RoomNid;
  readonly version: string;
  /** The main line. */
  readonly line: LineNid;
  /** The newest segment of the room order. */
  readonly segment: number;
  /** Of the newest live event. */
  readonly lastPos: StreamPos;
  readonly joined: number;
  readonly invited: number;
  readonly knocked: number;
  readonly banned: number;
  /** Servers with a joined user. */
  readonly servers: number;
  /** Entries of the current state. */
  readonly states: number;
  readonly published: boolean;
}

export type RoomCounts = Pick<RoomInfo, 'joined' | 'invited' | 'knocked' | 'banned' | 'servers' | 'states'>;

type Row = Omit<RoomInfo, 'published'> & { readonly published: 0 | 1 };

/** The one row of each room that we have state of. */
export class RoomInfos {
  readonly #one;
  readonly #insert;
  readonly #add;
  readonly #reset;
  readonly #publish;

  constructor(db: Database) {
    this.#one = db.remember<[number], Row>(
      'SELECT room, version, line, segment, last_pos AS lastPos, joined, invited, knocked, banned,' +
        ' servers, states, published' +
        ' FROM room_info WHERE room = ?',
    );
    this.#insert = db.prepare<[number, string, number, number, number], never>(
      'INSERT INTO room_info (room, version, line, segment, last_pos) VALUES (?, ?, ?, ?, ?)',
    );
    this.#add = db.prepare<[number, number, number, number, number, number, number], never>(
      'UPDATE room_info SET joined = joined + ?, invited = invited + ?, knocked = knocked + ?, banned = banned + ?,' +
        ' servers = servers + ?, states = states + ? WHERE room = ?',
    );
    this.#reset = db.prepare<[number, number], never>(
      'UPDATE room_info SET line = ?, joined = 0, invited = 0, knocked = 0, banned = 0, servers = 0,' +
        ' states = 0 WHERE room = ?',
    );
    this.#publish = db.prepare<[number, number], never>('UPDATE room_info SET published = ? WHERE room = ?');
  }

  get(room: RoomNid): RoomInfo | undefined {
    const row = this.#one.get(room);
    return row === undefined ? undefined : { ...row, published: row.published === 1 };
  }

  insert(room: RoomNid, version: string, line: LineNid, segment: number, pos: StreamPos): void {
    this.#insert.run(room, version, line, segment, pos);
  }

  add(room: RoomNid, by: RoomCounts): void {
    this.#add.run(by.joined, by.invited, by.knocked, by.banned, by.servers, by.states, room);
  }

  /** A new main line begins, with an empty state. */
  reset(room: RoomNid, line: LineNid): void {
    this.#reset.run(line, room);
  }

  /** Lists the room in the public directory, or takes it out. */
  publish(room: RoomNid, published: boolean): void {
    this.#publish.run(published ? 1 : 0, room);
  }
}
