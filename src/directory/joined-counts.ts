import type { KnownRoom } from '../rooms/known-rooms.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { PartialRooms } from '../store/rooms/partial-rooms.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { RemoteRoomInfos } from './remote-rooms.ts';

export interface JoinedCountsUses {
  readonly roomState: RoomStateStore;
  readonly partialRooms: Pick<PartialRooms, 'find'>;
  readonly wholeRooms: Pick<WholeRooms, 'isMissing' | 'wait'>;
  readonly remoteRooms: Pick<RemoteRoomInfos, 'ask'>;
}

/** How many are joined to rooms that we are in; where members are missing here, as a server tells that knows all of them. */
export class JoinedCounts {
  readonly #uses: JoinedCountsUses;

  constructor(uses: JoinedCountsUses) {
    this.#uses = uses;
  }

  /** `undefined` if it cannot be told now. */
  async known({ roomId, nid }: KnownRoom): Promise<number | undefined> {
    const { wholeRooms, partialRooms, remoteRooms } = this.#uses;
    if (!wholeRooms.isMissing(nid)) return this.#counted(nid);
    const found = await remoteRooms.ask(roomId, partialRooms.find(nid)?.servers ?? []);
    const told = found?.room.summary['num_joined_members'];
    return typeof told === 'number' ? told : undefined;
  }

  /** Waits for the missing members if nobody tells. 503 M_UNKNOWN if they do not come */
  async of(room: KnownRoom): Promise<number> {
    const known = await this.known(room);
    if (known !== undefined) return known;
    await this.#uses.wholeRooms.wait(room.nid);
    return this.#counted(room.nid);
  }

  #counted(room: KnownRoom['nid']): number {
    return this.#uses.roomState.info(room)?.joined ?? 0;
  }
}
