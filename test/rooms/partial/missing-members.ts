import type { RoomNid, StreamPos } from '../../../src/store/nids.ts';
import { millis } from '../../../src/util/brand.ts';
import type { StoreRoom } from '../../support/rooms/store-room.ts';
import type { World } from '../../support/servers/world.ts';

type Row = Readonly<Record<string, number | string | null>>;

const tables = ['current_state', 'state_change', 'member'] as const;

/**
 * Takes members out of a room as if it had been entered without them. The answer puts them back: the room is complete, and
 * unless it is called with false, those who wait for that are told.
 */
export function withoutMembers(
  world: World,
  room: StoreRoom,
  users: readonly string[],
): (isTold?: boolean) => StreamPos {
  const { db, stores, streams } = world.hs;
  const nid: RoomNid = room.nid;
  const info = stores.roomState.info(nid);
  if (info === undefined) throw new Error('there is no such room');
  const wheres = new Map<(typeof tables)[number], string>();
  const keys = users.map((user) => stores.interning.stateKey('m.room.member', user)).join(',');
  wheres.set('current_state', `room = ${nid} AND key IN (${keys})`);
  wheres.set('state_change', `line = ${info.line} AND key IN (${keys})`);
  wheres.set('member', `room = ${nid} AND user IN (${users.map((user) => stores.interning.user(user)).join(',')})`);
  const kept = new Map<string, Row[]>();
  db.write<void>(() => {
    for (const [table, where] of wheres) {
      kept.set(table, db.prepare<[], Row>(`SELECT * FROM ${table} WHERE ${where}`).all());
      db.prepare<[], never>(`DELETE FROM ${table} WHERE ${where}`).run();
    }
    db.prepare<[number, number], never>('UPDATE room_info SET joined = joined - ? WHERE room = ?').run(
      users.length,
      nid,
    );
    stores.partialRooms.begin({
      room: nid,
      line: info.line,
      base: streams.now(),
      joinEvent: 1 as never,
      user: 1 as never,
      servers: [],
      since: millis(0),
    });
  });
  return (isTold = true) => {
    const pos = db.write<StreamPos>(() => {
      for (const [table, rows] of kept) for (const row of rows) insert(world, table, row);
      db.prepare<[number, number], never>('UPDATE room_info SET joined = joined + ? WHERE room = ?').run(
        users.length,
        nid,
      );
      const now = streams.next();
      stores.partialRooms.complete(nid, now);
      streams.touchRoom(nid);
      return now;
    });
    if (isTold) world.hs.services.rooms.partialState.completed(nid, pos);
    return pos;
  };
}

function insert({ hs }: World, table: string, row: Row): void {
  const names = Object.keys(row);
  const values = Object.values(row).map((value) =>
    typeof value === 'string' ? `'${value}'` : String(value ?? 'NULL'),
  );
  hs.db.prepare<[], never>(`INSERT INTO ${table} (${names.join(',')}) VALUES (${values.join(',')})`).run();
}
