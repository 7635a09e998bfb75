import { assumedPace } from '../../governor/board-pace.ts';
import {
  type Excess,
  estimateWords,
  excesses,
  excessWords,
  type Measured,
  measuredOf,
  type RoomLimitSettings,
} from '../../governor/room-limits.ts';
import {
  type BoardPace,
  estimateRoom,
  megabytesOf,
  paceFrom,
  packedMegabytes,
  type RoomEstimate,
  rounded,
} from '../../governor/room-model.ts';
import { type MatrixError, resourceLimitExceeded } from '../../protocol/errors.ts';
import type { RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomLimitStore } from '../../store/limits/room-limits.ts';
import type { RoomNid, UserNid } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import type { RoomInquiry } from './room-inquiry.ts';

export interface RoomLimitsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomLimits: RoomLimitStore;
  readonly inquiry: RoomInquiry;
  readonly clock: Clock;
  readonly log: Log;
  /** Those of the start. */
  readonly settings: RoomLimitSettings;
  /** A web or mail address of whoever can make an exception. */
  readonly adminContact: string;
}

/** What has been seen of a room that is on its way in. */
export interface Seen {
  /** All its events, those that only authorise others included. */
  readonly events?: number;
  /** Of their JSON. */
  readonly bytes?: number;
  readonly stateEvents?: number;
  /** Joined. */
  readonly members?: number;
  readonly servers?: number;
}

/** Watches over one room on its way in. */
export interface EntryGuard {
  /** Throws what the client is told once there is more of the room than is allowed, or it takes too long. */
  check(seen: Seen): void;
  /** All of it is in: the board's pace is taken from that. */
  complete(stateEvents: number): void;
}

/** A join that says less than that says nothing of the board. */
const fewestForPace = 200;

/** What rooms may cost: asked before a join, held while one comes in. */
export class RoomLimits {
  readonly #uses: RoomLimitsUses;
  #settings: RoomLimitSettings;
  /** Measured when it is first needed. */
  #assumed: number | undefined;

  constructor(uses: RoomLimitsUses) {
    this.#uses = uses;
    this.#settings = uses.settings;
  }

  /** The limits in force. */
  get settings(): RoomLimitSettings {
    return this.#settings;
  }

  /** From now on these limits count, for joins under way as well. */
  use(settings: RoomLimitSettings): void {
    this.#settings = settings;
  }

  /** What a room would cost, or costs; `undefined` if no server tells. */
  async estimate(roomId: RoomId, servers: readonly ServerName[]): Promise<RoomEstimate | undefined> {
    return estimateRoom(await this.#uses.inquiry.facts(roomId, servers), this.#pace());
  }

  /** Which limits an estimate is above. */
  excesses(estimate: RoomEstimate): Excess[] {
    return excesses(measuredOf(estimate), this.#settings);
  }

  /**
   * Before a user of ours takes a room in. 403 M_RESOURCE_LIMIT_EXCEEDED with `limit`, `allowed`, `value` and `estimate`.
   * A room of which nobody tells anything passes: it is measured as it comes in. Answers what was told.
   */
  async check(user: UserNid, roomId: RoomId, servers: readonly ServerName[]): Promise<RoomEstimate | undefined> {
    if (this.#isExempt(user, this.#uses.interning.findRoom(roomId))) return undefined;
    const estimate = await this.estimate(roomId, servers);
    if (estimate === undefined) return undefined;
    const [excess] = this.excesses(estimate);
    if (excess === undefined) return estimate;
    this.#uses.log.info('limits.join_refused', { roomId, ...excess });
    const sentence = `This room is too large for this server: it has ${excessWords(excess)}. It would cost ${estimateWords(estimate)}. The admin of the server can make an exception.`;
    throw this.#refusal(sentence, excess, { estimate: showEstimate(estimate) });
  }

  /** For one attempt to take a room in. */
  guard(userId: UserId, room: RoomNid, roomId: RoomId): EntryGuard {
    const { interning, clock, log } = this.#uses;
    const start = clock.monotonic();
    const user = interning.findUser(userId);
    const exempt = this.#isExempt(user, room);
    let refusal: MatrixError | undefined;
    return {
      check: (seen) => {
        if (exempt) return;
        // Pieces that were on their way already are refused for the same reason.
        if (refusal !== undefined) throw refusal;
        const [excess] = excesses(this.#measured(seen, clock.monotonic() - start), this.#settings);
        if (excess === undefined) return;
        log.warn('limits.join_stopped', { roomId, ...excess });
        const sentence = `The join was stopped, because the room is too large for this server: it has ${excessWords(excess)}. Nothing of it was kept. The admin of the server can make an exception.`;
        refusal = this.#refusal(sentence, excess);
        throw refusal;
      },
      complete: (stateEvents) => {
        const sample = { events: stateEvents, ms: clock.monotonic() - start };
        if (stateEvents >= fewestForPace && sample.ms > 0) {
          this.#uses.db.write<void>(() => this.#uses.roomLimits.joined(sample, clock.now()));
        }
      },
    };
  }

  /** Whether limits do not hold for a room that our users are in. */
  isExemptInside(room: RoomNid): boolean {
    const { roomLimits } = this.#uses;
    return roomLimits.isRoomExempt(room) || roomLimits.hasExemptUser(room, memberships.join);
  }

  #isExempt(user: UserNid | undefined, room: RoomNid | undefined): boolean {
    const { roomLimits } = this.#uses;
    return (
      (user !== undefined && roomLimits.isUserExempt(user)) || (room !== undefined && roomLimits.isRoomExempt(room))
    );
  }

  #measured({ events, bytes, stateEvents, members, servers }: Seen, ms: number): Measured {
    // An auth chain as long as the state is usual; what is above that takes room like a state.
    const weight = Math.max(stateEvents ?? 0, (events ?? 0) / 2);
    return {
      ...(members === undefined ? {} : { members }),
      ...(servers === undefined ? {} : { servers }),
      ...(stateEvents === undefined ? {} : { stateEvents }),
      diskMb: rounded(Math.max(megabytesOf(weight, members ?? 0), packedMegabytes(bytes ?? 0))),
      joinMinutes: rounded(ms / 60_000),
    };
  }

  #refusal(sentence: string, excess: Excess, fields: JsonObject = {}): MatrixError {
    return resourceLimitExceeded(sentence, this.#uses.adminContact, { ...excess, ...fields });
  }

  #pace(): BoardPace {
    this.#assumed ??= assumedPace(this.#uses.clock);
    return paceFrom(this.#uses.roomLimits.samples(), this.#assumed);
  }
}

/** An estimate as others get it. */
export function showEstimate(estimate: RoomEstimate) {
  const { members, servers, stateEvents, diskMb, joinMinutes, messagesPerDay } = estimate;
  return {
    members: { ...members },
    servers: { ...servers },
    state_events: { ...stateEvents },
    disk_mb: { ...diskMb },
    join_minutes: { ...joinMinutes },
    messages_per_day: { ...messagesPerDay },
  };
}
