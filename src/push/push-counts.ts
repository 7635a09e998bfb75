import { PowerLevels } from '../protocol/event-auth/power-levels.ts';
import { evaluatePushRules } from '../protocol/push-rules/compiled.ts';
import type { PushContext, PushEvent, PushOutcome } from '../protocol/push-rules/types.ts';
import type { AuthEvents } from '../rooms/input/auth-events.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { PartialState } from '../rooms/partial/partial-state.ts';
import { threadRootOf } from '../rooms/read/threads.ts';
import { currentState, type StateSources } from '../rooms/state/current-state.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import { mainTimeline } from '../store/push/push-actions.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { Streams } from '../streams/streams.ts';
import type { PushRules } from './push-rules.ts';

export interface PushCountsUses extends StateSources {
  readonly events: EventStore;
  readonly pushCounts: PushCountStore;
  readonly authEvents: AuthEvents;
  readonly rules: PushRules;
  readonly partialState: Pick<PartialState, 'isPartial'>;
  readonly streams: Streams;
}

/** Users whom an event notifies in the same way. */
interface Notified {
  readonly users: readonly UserNid[];
  readonly highlight: boolean;
  readonly actions: PushOutcome['actions'];
}

/**
 * Keeps every local member's unread counts, in the transaction of each event: whom it notifies, and who has read up
 * to it by sending it.
 * @see https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
 */
export class PushCounts implements EventObserver {
  readonly follows = { live: 'all' } as const;
  readonly #uses: PushCountsUses;

  constructor(uses: PushCountsUses) {
    this.#uses = uses;
  }

  onEvent(event: CommittedEvent): void {
    const { row, pdu } = event;
    const { pushCounts } = this.#uses;
    const { pos } = row;
    if (pos === null) return;
    this.#endMembership(event, pos);
    const root = threadRootOf(this.#uses, row.room, pdu.content);
    const thread = root === undefined ? mainTimeline : this.#uses.interning.event(root);
    pushCounts.markRead(row.sender, row.room, pos, thread, pos);
    for (const { users, highlight, actions } of this.#notified(event)) {
      pushCounts.add(users, { room: row.room, pos, event: row.nid, thread, highlight, actions });
    }
  }

  /** It notifies nobody any more. What its sender has read by sending it stays read. */
  onTakenOut({ row, pdu }: CommittedEvent): void {
    const { pushCounts, roomState, streams, interning } = this.#uses;
    if (row.pos === null) return;
    const invited = row.membership === memberships.invite ? interning.findUser(pdu.state_key ?? '') : undefined;
    const users = new Set(roomState.localJoined(row.room));
    if (invited !== undefined) users.add(invited);
    pushCounts.forget([...users], row.room, row.pos, streams.next());
    for (const user of users) streams.touchUser(user);
  }

  /** What a redacted event said highlights nothing any more. */
  onRedacted({ room, pos }: EventRow): void {
    const { roomState, pushCounts, streams } = this.#uses;
    if (pos === null) return;
    const now = streams.next();
    for (const user of roomState.localJoined(room)) pushCounts.lowerHighlight(user, room, pos, now);
  }

  onUnredacted(event: CommittedEvent): void {
    const { pushCounts, streams } = this.#uses;
    const { pos, room } = event.row;
    if (pos === null) return;
    const now = streams.next();
    for (const { users, highlight } of this.#notified(event)) {
      if (highlight) for (const user of users) pushCounts.raiseHighlight(user, room, pos, now);
    }
  }

  /** Whom the event notifies. In most rooms the same rule holds for all, so they are written together. */
  #notified(event: CommittedEvent): Iterable<Notified> {
    const { row } = event;
    const groups = new Map<string, Notified & { readonly users: UserNid[] }>();
    let context: PushContext | undefined;
    for (const user of this.#hearers(event)) {
      context ??= this.#context(event);
      const outcome = this.#evaluate(user, row.room, row.sender, context);
      if (outcome?.notify !== true) continue;
      const { highlight, actions } = outcome;
      const key = `${highlight} ${JSON.stringify(actions)}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { users: [user], highlight, actions });
      else group.users.push(user);
    }
    return groups.values();
  }

  /** Whom the event may notify: our users in the room, and one who is invited by it. */
  #hearers({ row, pdu }: CommittedEvent): UserNid[] {
    const { roomState, interning } = this.#uses;
    const hearers = roomState.localJoined(row.room).filter((user) => user !== row.sender);
    if (row.membership !== memberships.invite) return hearers;
    const invited = interning.findUser(pdu.state_key ?? '');
    if (invited === undefined || roomState.localMember(invited, row.room) === undefined) return hearers;
    return [...hearers.filter((user) => user !== invited), invited];
  }

  /** Unread counts of a user in a room, by thread; see `PushCountStore.unread`. */
  unread(user: UserNid, room: RoomNid) {
    return this.#uses.pushCounts.unread(user, room);
  }

  #evaluate(user: UserNid, room: RoomNid, sender: UserNid, context: PushContext): PushOutcome | undefined {
    const { rules, interning } = this.#uses;
    const profile = rules.of(user);
    if (profile.ignored.has(sender)) return undefined;
    return evaluatePushRules(profile.rules, context, {
      userId: interning.userId(user),
      displayName: () => this.#displayName(room, user),
    });
  }

  #context({ pdu, row, rules }: CommittedEvent): PushContext {
    const { roomState, interning, partialState } = this.#uses;
    const uses = this.#uses;
    // Asked by two predefined rules for each user in the room.
    let members: number | undefined;
    return {
      event: (pdu.room_id === undefined
        ? { ...pdu, room_id: interning.roomId(row.room) }
        : pdu) as unknown as PushEvent,
      get memberCount() {
        members ??= partialState.isPartial(row.room) ? Number.NaN : (roomState.info(row.room)?.joined ?? 0);
        return members;
      },
      senderMayNotify(key) {
        const levels = PowerLevels.of(rules, currentState(uses, row.room));
        return levels.userLevel(pdu.sender) >= levels.notificationLevel(key);
      },
    };
  }

  #displayName(room: RoomNid, user: UserNid): string | undefined {
    const member = this.#uses.roomState.member(room, user);
    const name = member && this.#uses.authEvents.get(member.event).content['displayname'];
    return typeof name === 'string' ? name : undefined;
  }

  /** Whoever leaves has nothing unread there; whoever comes back begins anew. */
  #endMembership({ row, pdu }: CommittedEvent, pos: StreamPos): void {
    if (row.membership !== memberships.leave && row.membership !== memberships.ban) return;
    const user = this.#uses.interning.findUser(pdu.state_key ?? '');
    if (user !== undefined) this.#uses.pushCounts.clear(user, row.room, pos);
  }
}
