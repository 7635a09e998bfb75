import { MatrixError } from '../../protocol/errors.ts';
import { isUserId } from '../../protocol/ids/user-id.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import type { PartialState } from './partial-state.ts';

export interface WholeRoomsUses {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly partialState: Pick<PartialState, 'isPartial' | 'whenComplete'>;
}

/** Larger rooms than one has in memory of are filled in within a minute; browsers give up a request after five. */
const longestWait = millis(2 * 60_000);

/**
 * For whoever needs to know all members of a room: waits for those that are missing, or says that they are missing. For
 * all other rooms it costs one look-up.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3902
 */
export class WholeRooms {
  readonly #uses: WholeRoomsUses;

  constructor(uses: WholeRoomsUses) {
    this.#uses = uses;
  }

  /** Whether members of the room are missing. */
  isMissing(room: RoomNid): boolean {
    return this.#uses.partialState.isPartial(room);
  }

  /** Resolves when all members of the room are here. 503 M_UNKNOWN if they do not come */
  async wait(room: RoomNid, signal?: AbortSignal): Promise<void> {
    const { partialState } = this.#uses;
    if (!partialState.isPartial(room)) return;
    if (!(await partialState.whenComplete(room, longestWait, signal))) throw stillMissing();
  }

  /** The same for a room as a path names it; one that is not known is for somebody else to refuse. */
  async waitFor(roomId: string, signal?: AbortSignal): Promise<void> {
    const room = this.#uses.interning.findRoom(roomId);
    if (room !== undefined) await this.wait(room, signal);
  }

  /** Resolves when it is known what a user is in the room. 503 M_UNKNOWN */
  async waitForMember(room: RoomNid, userId: string, signal?: AbortSignal): Promise<void> {
    if (!this.#uses.partialState.isPartial(room) || !isUserId(userId)) return;
    const user = this.#uses.interning.findUser(userId);
    const isKnown = user !== undefined && this.#uses.roomState.member(room, user) !== undefined;
    if (!isKnown) await this.wait(room, signal);
  }

  /** 403 ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE for a server that wants to know what we do not know yet. */
  require(room: RoomNid): void {
    if (!this.#uses.partialState.isPartial(room)) return;
    throw new MatrixError(
      403,
      'ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE',
      'This server does not know all members of the room yet',
    );
  }
}

function stillMissing(): MatrixError {
  const message = 'The members of this room are still being fetched: try again in a minute';
  return new MatrixError(503, 'M_UNKNOWN', message, { headers: { 'Retry-After': '60' } });
}
