import { invalidParam } from '../protocol/errors.ts';
import { parseUserId } from '../protocol/ids/user-id.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { Requester } from '../users/login/requester.ts';

/** Rooms in one answer. */
const pageSize = 100;

export interface MutualPage {
  readonly joined: string[];
  readonly count: number;
  readonly next: string | undefined;
}

/** Which rooms two users are both in. */
export class MutualRooms {
  readonly #uses: { readonly interning: Interning; readonly roomDirectory: RoomDirectoryStore };

  constructor(uses: { readonly interning: Interning; readonly roomDirectory: RoomDirectoryStore }) {
    this.#uses = uses;
  }

  /** One page by room. 400 M_INVALID_PARAM the requester's own ID, no user ID, not a token */
  page({ user, userId }: Requester, other: string, from: string | undefined): MutualPage {
    const { interning, roomDirectory } = this.#uses;
    const otherId = parseUserId(other);
    if (otherId === undefined) throw invalidParam('user_id is not a user ID');
    if (otherId === userId) throw invalidParam('user_id is your own');
    if (from !== undefined && !/^m\d{1,15}$/.test(from)) throw invalidParam('This is not a token of this server');
    const nid = interning.findUser(otherId);
    if (nid === undefined) return { joined: [], count: 0, next: undefined };
    const rooms = roomDirectory.mutual(user, nid, Number(from?.slice(1) ?? 0), pageSize + 1);
    const shown = rooms.slice(0, pageSize);
    return {
      joined: shown.map((room) => interning.roomId(room)),
      count: roomDirectory.mutualCount(user, nid),
      next: rooms.length > pageSize ? `m${shown.at(-1)}` : undefined,
    };
  }
}
