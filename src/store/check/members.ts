import type { ServerName } from '../../protocol/ids/types.ts';
import { isUserId } from '../../protocol/ids/user-id.ts';
import type { Database } from '../db.ts';
import { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, RoomNid, ServerNid, StateKeyNid, StreamPos, UserNid } from '../nids.ts';

interface MemberState {
  readonly room: RoomNid;
  readonly key: StateKeyNid;
  readonly event: EventNid;
  readonly pos: StreamPos;
  readonly membership: number | null;
}

interface MemberRow {
  readonly membership: number;
  readonly event: EventNid;
  readonly pos: StreamPos;
}

/** `member` is what the current state says, no more and no less, and our own users' rows say the same. */
export class MemberCheck {
  readonly #db: Database;
  readonly #interning: Interning;
  readonly #own: ServerNid | undefined;
  readonly #states;
  readonly #member;
  readonly #local;
  readonly #inside;

  constructor(db: Database, serverName: ServerName) {
    this.#db = db;
    this.#interning = new Interning(db);
    this.#own = this.#interning.findServer(serverName);
    this.#states = db.prepare<[number], MemberState>(
      'SELECT current_state.room, current_state.key, current_state.event, current_state.pos, event.membership' +
        ' FROM current_state JOIN event ON event.nid = current_state.event WHERE event.type = ?',
    );
    this.#member = db.prepare<[number, number], MemberRow>(
      'SELECT membership, event, pos FROM member WHERE room = ? AND user = ?',
    );
    this.#inside = db.prepare<[number, number], { joined: number }>(
      'SELECT joined FROM room_server WHERE room = ? AND server = ? AND to_pos IS NULL',
    );
    this.#local = db.prepare<[number, number], Omit<MemberRow, 'pos'>>(
      'SELECT membership, event FROM local_member WHERE room = ? AND user = ?',
    );
  }

  *run(): Generator<string> {
    let members = 0;
    for (const state of this.#states.iterate(wellKnown.types.member)) {
      const { skey } = this.#interning.stateKeyOf(state.key);
      if (state.membership === null || !isUserId(skey)) continue;
      members++;
      yield* this.#problems(state, this.#interning.findUser(skey));
    }
    const rows = this.#db.prepare<[], number>('SELECT count(*) FROM member').pluck().get() ?? 0;
    if (rows > members) yield `${rows - members} member rows have no entry in a current state`;
    yield* strangers(this.#db);
  }

  *#problems({ room, key, event, pos, membership }: MemberState, user: UserNid | undefined): Generator<string> {
    const row = user === undefined ? undefined : this.#member.get(room, user);
    if (row?.membership !== membership || row.event !== event || row.pos !== pos) {
      yield `Room ${room}: the member row of state key ${key} is not what the current state says`;
    }
    if (user === undefined || this.#interning.userServer(user) !== this.#own) return;
    const view = this.#local.get(room, user);
    // With nobody of ours in it, the state is of when the last one left; invites come all the same.
    if (view !== undefined && this.#inside.get(room, this.#own) === undefined) return;
    if (view?.membership !== membership || view.event !== event) {
      yield `Room ${room}: our user ${user} has another membership in local_member than in the current state`;
    }
  }
}

/** A local user who is joined according to us is joined according to the room. */
function* strangers(db: Database): Generator<string> {
  const rows = db.prepare<[], { user: UserNid; room: RoomNid }>(
    'SELECT local_member.user, local_member.room FROM local_member LEFT JOIN member' +
      ' ON member.room = local_member.room AND member.user = local_member.user' +
      ' WHERE local_member.membership = 1 AND member.membership IS NOT 1',
  );
  for (const { user, room } of rows.all()) yield `Room ${room}: our user ${user} counts as joined but is no member`;
}
