import type { Excess } from '../governor/room-limits.ts';
import type { RoomEstimate } from '../governor/room-model.ts';
import { parseRoomAlias, parseRoomId, serverOfAlias } from '../protocol/ids/room-id.ts';
import { parseServerName } from '../protocol/ids/server-name.ts';
import type { RoomId, UserId } from '../protocol/ids/types.ts';
import type { Ledger, LedgerReport } from '../rooms/ledger/ledger.ts';
import type { FillingReport } from '../rooms/partial/filling.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Thinned } from '../store/thinning/thinning-jobs.ts';
import type { Millis } from '../util/brand.ts';
import { AdminError } from './admin-error.ts';

export interface RoomCostUses {
  readonly rooms: Pick<Rooms, 'aliases' | 'limits' | 'candidates' | 'exemptions' | 'purges' | 'filling' | 'thinning'>;
  /** Has all users of this server leave a room. */
  readonly leave: (roomId: RoomId) => Promise<void>;
  readonly ledger: Pick<Ledger, 'report'>;
}

/** What the estimate of a room tells the admin. */
export interface EstimateReport {
  readonly roomId: RoomId;
  /** `undefined`: no server told anything. */
  readonly estimate: RoomEstimate | undefined;
  /** The limits that it is above. */
  readonly excesses: readonly Excess[];
}

/** What rooms cost, and who may have them all the same: for the admin. */
export class RoomCosts {
  readonly #uses: RoomCostUses;

  constructor(uses: RoomCostUses) {
    this.#uses = uses;
  }

  /** Of a room named by ID or alias; `via` names servers that may be in it. */
  async estimate(room: string, via: readonly string[]): Promise<EstimateReport> {
    const { limits, candidates } = this.#uses.rooms;
    const { roomId, servers } = await this.#named(room);
    const estimate = await limits.estimate(roomId, candidates.of(roomId, undefined, [...via, ...servers]));
    return { roomId, estimate, excesses: estimate === undefined ? [] : limits.excesses(estimate) };
  }

  /** A room by ID or alias. */
  async exemptRoom(room: string, exempt: boolean): Promise<RoomId> {
    const { roomId } = await this.#named(room);
    this.#uses.rooms.exemptions.room(roomId, exempt);
    return roomId;
  }

  exemptUser(userId: UserId, exempt: boolean): void {
    this.#uses.rooms.exemptions.user(userId, exempt);
  }

  exemptions() {
    return this.#uses.rooms.exemptions.list();
  }

  /** What each room really costs; measures the file anew. */
  ledger(): Promise<LedgerReport> {
    return this.#uses.ledger.report();
  }

  /** Deletes a room; with `leave` the users of this server leave it first. Throws `AdminError`. */
  async purge(room: string, leave: boolean): Promise<RoomId> {
    const { purges } = this.#uses.rooms;
    const { roomId } = await this.#named(room);
    if (leave) await this.#uses.leave(roomId);
    const outcome = purges.begin(roomId);
    if (outcome === 'unknown') throw new AdminError('not_found', `nothing is stored of ${roomId}`);
    if (outcome === 'in use') {
      throw new AdminError(
        'refused',
        `somebody of this server is in ${roomId}, or invited to it: --leave has them leave`,
      );
    }
    return roomId;
  }

  /** Deletes messages of a room that are older than a time. Throws `AdminError`. */
  async thin(room: string, olderThan: Millis): Promise<Thinned & { roomId: RoomId }> {
    const { roomId } = await this.#named(room);
    const thinned = await this.#uses.rooms.thinning.thin(roomId, olderThan);
    if (thinned !== undefined) return { roomId, ...thinned };
    throw new AdminError(
      'refused',
      `the history of ${roomId} cannot be deleted: nothing is stored of it, its members are not all here, it is being deleted as a whole, or the time is not known`,
    );
  }

  /** Rooms whose members are not all here yet. */
  filling(): FillingReport[] {
    return [...this.#uses.rooms.filling.report()];
  }

  /** Asks for the members of such a room again at once. Throws `AdminError`. */
  async fill(room: string): Promise<RoomId> {
    const { roomId } = await this.#named(room);
    if (!this.#uses.rooms.filling.retry(roomId)) {
      throw new AdminError('not_found', `no members of ${roomId} are missing`);
    }
    return roomId;
  }

  async #named(text: string): Promise<{ roomId: RoomId; servers: readonly string[] }> {
    const alias = parseRoomAlias(text);
    if (alias !== undefined) {
      const { roomId, servers } = await this.#uses.rooms.aliases.resolveAnywhere(alias);
      return { roomId, servers: [serverOfAlias(alias), ...servers] };
    }
    const roomId = parseRoomId(text);
    if (roomId === undefined) throw new AdminError('bad_input', `"${text}" is neither a room ID nor an alias`);
    return { roomId, servers: [] };
  }
}

/** Throws `AdminError` for what is no server name. */
export function checkVia(via: readonly string[]): readonly string[] {
  const wrong = via.find((server) => parseServerName(server) === undefined);
  if (wrong !== undefined) throw new AdminError('bad_input', `"${wrong}" is not a server name`);
  return via;
}
