import { StoreRoom } from '../rooms/store-room.ts';
import type { World } from '../servers/world.ts';

/** A room that several servers are in, written straight into their stores: for what depends only on who is where. */
export class SharedRoom {
  readonly #rooms: { readonly world: World; readonly room: StoreRoom }[];

  constructor(worlds: readonly World[], creator: string, roomId = '!shared:a.test') {
    this.#rooms = worlds.map((world) => {
      const { db, stores, streams } = world.hs;
      const room = db.write(() => {
        const made = new StoreRoom({ db, stores, streams } as never, '11', roomId);
        made.create(creator);
        made.join(creator);
        made.add(creator, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }, '');
        return made as never;
      }) as StoreRoom;
      return { world, room };
    });
  }

  /** Everywhere, or in these servers' view only. */
  member(user: string, membership: 'join' | 'leave', worlds?: readonly World[]): void {
    for (const { world, room } of this.#rooms) {
      if (worlds === undefined || worlds.includes(world))
        world.hs.db.write<void>(() => void room.member(user, membership));
    }
  }
}
