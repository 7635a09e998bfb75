import type { ServerName } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid } from '../../store/nids.ts';
import type { HistoryStateStore } from '../../store/rooms/history-state.ts';
import type { Segment } from '../../store/segments.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Timeline } from '../../store/timeline.ts';

export interface HistoricStatesUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly timeline: Timeline;
  readonly historyState: HistoryStateStore;
  readonly serverName: ServerName;
}

/**
 * Follows, through history that comes in backwards, what decides who may see it: the history's visibility and the
 * memberships of our own users. The state before the first live event of a segment is known; from there each event
 * that changes one of these says what held after it, and its auth events what membership held before.
 */
export class HistoricStates {
  readonly #uses: HistoricStatesUses;

  constructor(uses: HistoricStatesUses) {
    this.#uses = uses;
  }

  /** Inside a write, before the first event is put before a segment's first live one. */
  begin(segment: Segment): void {
    const { events, historyState, stateLog, timeline } = this.#uses;
    const { historyVisibility } = wellKnown.stateKeys;
    if (historyState.oldest(segment.nid, historyVisibility) !== undefined) return;
    const [first] = timeline.page(segment.nid, segment.fromPos - 1, 'f', 1).events;
    const row = first?.segment === segment.nid ? events.row(first.event) : undefined;
    const point = row && pointBefore(row);
    const place = { segment: segment.nid, idx: segment.fromPos - 1 };
    const isKnown = point !== undefined && stateLog.at(point, wellKnown.stateKeys.create) !== undefined;
    if (!isKnown) {
      historyState.set(place, historyVisibility, null);
      return;
    }
    for (const key of [historyVisibility, ...this.#ownMembers(segment.room)]) {
      historyState.set(place, key, stateLog.at(point, key) ?? 0);
    }
  }

  #ownMembers(room: RoomNid): StateKeyNid[] {
    const { interning, roomState } = this.#uses;
    return roomState
      .localsIn(room)
      .map(({ user }) => interning.findStateKey('m.room.member', interning.userId(user)))
      .filter((key) => key !== undefined);
  }

  /** Inside a write: an event was put before all others of its segment. */
  follow(row: EventRow, segment: Segment, authEvents: readonly EventNid[]): void {
    const { historyState } = this.#uses;
    const { stateKey: key, idx } = row;
    // Before everything there was no visibility either.
    if (key === wellKnown.stateKeys.create) this.learnVisibility(segment.nid, 0);
    if (key === null || idx === null || !this.#isFollowed(key)) return;
    const newer = historyState.oldest(segment.nid, key);
    if (newer === undefined) historyState.set({ segment: segment.nid, idx: segment.fromPos - 1 }, key, row.nid);
    else if (newer.event === null) historyState.set({ segment: segment.nid, idx: newer.idx }, key, row.nid);
    const isVisibility = key === wellKnown.stateKeys.historyVisibility;
    const before = isVisibility ? null : (this.#replaced(key, authEvents) ?? 0);
    historyState.set({ segment: segment.nid, idx }, key, before);
  }

  /** Who changes a membership cites the one before. */
  #replaced(key: StateKeyNid, authEvents: readonly EventNid[]): EventNid | undefined {
    return this.#uses.events.rows(authEvents).find((row) => row.stateKey === key)?.nid;
  }

  #isFollowed(key: StateKeyNid): boolean {
    if (key === wellKnown.stateKeys.historyVisibility) return true;
    const { typeNid, skey } = this.#uses.interning.stateKeyOf(key);
    const user = typeNid === wellKnown.types.member ? parseUserId(skey) : undefined;
    return user !== undefined && serverOf(user) === this.#uses.serverName;
  }

  /** Whether it is not known what visibility the history has before everything that is there. */
  isVisibilityUnknown(segment: number): boolean {
    return this.#uses.historyState.oldest(segment, wellKnown.stateKeys.historyVisibility)?.event === null;
  }

  /** Inside a write: what visibility held before the oldest event of a segment, and so back from the last change of it. */
  learnVisibility(segment: number, event: EventNid | 0): void {
    const { historyState } = this.#uses;
    const key = wellKnown.stateKeys.historyVisibility;
    const oldest = historyState.oldest(segment, key);
    if (oldest?.event === null) historyState.set({ segment, idx: oldest.idx }, key, event);
  }
}
