import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../db.ts';
import type { Interning } from '../interning/interning.ts';
import type { RoomNid, StreamPos, UserNid } from '../nids.ts';
import { DeviceListStore } from './device-lists.ts';
import { RemoteListStore } from './remote-lists.ts';

/** Other servers' users who come into rooms, as far as that concerns what is known of their devices. */
export class Arrivals {
  readonly #interning: Interning;
  readonly #ownServer: ServerName;
  readonly #remoteLists: RemoteListStore;
  readonly #deviceLists: DeviceListStore;

  constructor(db: Database, interning: Interning, ownServer: ServerName) {
    this.#interning = interning;
    this.#ownServer = ownServer;
    this.#remoteLists = new RemoteListStore(db);
    this.#deviceLists = new DeviceListStore(db);
  }

  /**
   * Inside a write: a user is joined from `pos` on and was not before. If we shared no room just before, nobody has told
   * us what happened to the user's devices meanwhile: what is known of them is out of date, and whoever saw the user
   * leave and come back between two calls of /sync must ask again.
   */
  came(room: RoomNid, user: UserNid, pos: StreamPos, wasKnownHere: boolean): void {
    if (!wasKnownHere && this.#remoteLists.find(user) === undefined) return;
    const server = this.#interning.userServer(user);
    const own = this.#interning.server(this.#ownServer);
    if (this.#remoteLists.sharedRooms(user, { server, own, except: room, limit: 1 }).length > 0) return;
    this.#remoteLists.remove(user);
    this.#deviceLists.put(user, pos);
  }
}
