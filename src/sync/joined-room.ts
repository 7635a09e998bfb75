import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { ClientEvents, EventAudience } from '../rooms/read/client-events.ts';
import type { RoomView, Visibility } from '../rooms/read/visibility.ts';
import type { Bundles } from '../rooms/relations/bundles.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid } from '../store/nids.ts';
import type { PushCountStore, UnreadRow } from '../store/push/push-counts.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { RoomInfo } from '../store/state/room-info.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateChange, StateLog } from '../store/state/state-log.ts';
import type { AccountDataStore } from '../store/users/account-data.ts';
import { pageToken } from '../streams/tokens.ts';
import type { RoomEphemeral } from './room-ephemeral.ts';
import type { RoomStates, StateScope } from './room-state.ts';
import type { RoomSummaries, RoomSummary } from './room-summary.ts';
import type { RoomTimelines, TimelineBatch } from './room-timeline.ts';
import type { Turn } from './turn.ts';

export interface RoomSections {
  readonly epoch: number;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly stateLog: StateLog;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly bundles: Bundles;
  readonly accountData: AccountDataStore;
  readonly pushCounts: PushCountStore;
  readonly timelines: RoomTimelines;
  readonly states: RoomStates;
  readonly summaries: RoomSummaries;
  readonly ephemeral: RoomEphemeral;
  readonly partialState: Pick<PartialState, 'hasCompleted'>;
}

/** A delta of up to so many entries is written whole, so that it can be seen whether anything passes the filter. */
const smallDelta = 200;

/** What is known of a joined room's entry before any of it is written. */
interface Draft {
  readonly info: RoomInfo;
  readonly audience: EventAudience;
  readonly full: boolean;
  readonly batch: TimelineBatch;
  readonly delta: readonly StateChange[];
  readonly summary: RoomSummary | undefined;
  readonly ephemeral: string;
  readonly accountData: string;
  readonly unread: readonly UnreadRow[];
  /** The small delta as text. */
  readonly state: string | undefined;
}

/** Writes the entries of `rooms.join`. */
export class JoinedRooms {
  readonly #uses: RoomSections;

  constructor(uses: RoomSections) {
    this.#uses = uses;
  }

  /** The room's entry, `"!room":{…}`, in pieces; nothing if there is nothing to tell. */
  *entry(turn: Turn, member: LocalMember): Generator<string> {
    const draft = this.#draft(turn, member);
    if (draft === undefined) return;
    const { batch, audience, summary } = draft;
    yield `${JSON.stringify(this.#uses.interning.roomId(member.room))}:{"timeline":${this.timeline(batch, audience, turn.broken)}`;
    yield `,"${turn.stateSection}":{"events":[`;
    if (draft.state !== undefined) yield draft.state;
    else yield* separated(this.#uses.states.texts(turn, this.#scope(turn, draft)));
    yield ']}';
    if (summary !== undefined) yield `,"summary":${summary.text}`;
    if (draft.ephemeral !== '') yield `,"ephemeral":{"events":[${draft.ephemeral}]}`;
    if (draft.accountData !== '') yield `,"account_data":{"events":[${draft.accountData}]}`;
    yield `${this.#unreadText(turn, draft.unread)}}`;
  }

  #draft(turn: Turn, member: LocalMember): Draft | undefined {
    const { roomState, visibility, timelines, stateLog, summaries, pushCounts, states } = this.#uses;
    const { room } = member;
    const info = roomState.info(room);
    if (info === undefined) return undefined;
    const isCompleted = this.#uses.partialState.hasCompleted(room, turn.from, turn.now);
    // Before that it was hidden from whoever wants all members at once.
    const isShown = isCompleted && !turn.filter.room.state.lazyLoadMembers;
    const full = turn.initial || member.pos > turn.from || isShown;
    const view = visibility.view(room, turn.user);
    const delta = full ? [] : stateLog.changesBetween(info.line, turn.from, turn.now);
    const draft = {
      info,
      audience: audienceOf(turn, view),
      full,
      batch: timelines.read(turn, { info, view, since: full ? undefined : turn.from, upTo: turn.now }),
      delta,
      summary: full || isCompleted || summaries.concerns(delta) ? summaries.of(info, turn.user) : undefined,
      ephemeral: this.#uses.ephemeral.text(turn, room, full),
      accountData: this.accountData(turn, room, full),
      unread: pushCounts.unread(turn.user, room),
    };
    const small = !full && !turn.fullState && delta.length <= smallDelta;
    const state = small ? [...states.texts(turn, this.#scope(turn, draft))].join(',') : undefined;
    return this.#isEmpty(turn, draft, state) ? undefined : { ...draft, state };
  }

  #isEmpty(turn: Turn, draft: Omit<Draft, 'state'>, state: string | undefined): boolean {
    const { batch, summary, ephemeral, accountData, unread } = draft;
    if (state !== '' || batch.limited || batch.events.length > 0) return false;
    if (summary !== undefined || ephemeral !== '' || accountData !== '') return false;
    return !unread.some(({ pos }) => pos > turn.from);
  }

  #scope(turn: Turn, draft: Omit<Draft, 'state'>): StateScope {
    const { info, audience, batch, delta, full, summary } = draft;
    const whole = full || turn.fullState;
    return {
      info,
      audience,
      batch,
      delta: whole ? undefined : delta,
      from: turn.from,
      upTo: turn.now,
      people: [...(whole ? [turn.user] : []), ...(summary?.heroes ?? [])],
    };
  }

  /** The `timeline` object. */
  timeline(batch: TimelineBatch, audience: EventAudience, broken = false): string {
    const { epoch, bundles, clientEvents } = this.#uses;
    // A client that has everything from here on has also seen what relates to it.
    const { fields } = audience;
    // What is told of it inside another event is a field of that one.
    const bundled = () => ({ ...bundles.with(batch.events, { ...audience, fields: undefined }), fields });
    const shown = batch.limited || broken ? bundled() : audience;
    let events = '';
    for (const row of batch.events) events += `${events === '' ? '' : ','}${clientEvents.text(row, shown)}`;
    const prev = pageToken(epoch, batch.prev.segment, batch.prev.idx);
    return `{"events":[${events}],"limited":${batch.limited || broken},"prev_batch":"${prev}"}`;
  }

  /** The room's account data that changed, or all of it: JSON texts with commas between. */
  accountData(turn: Turn, room: RoomNid, full: boolean): string {
    const { accountData, interning } = this.#uses;
    const filter = turn.filter.room.accountData;
    if (filter.nothing || !filter.rooms.allows(interning.roomId(room))) return '';
    const rows = full
      ? accountData.list(turn.user, room).filter(({ pos }) => pos <= turn.now)
      : accountData.changed(turn.user, room, turn.from, turn.now);
    return rows
      .filter(({ type }) => filter.allowsType(type))
      .map(({ type, content }) => `{"type":${JSON.stringify(type)},"content":${content}}`)
      .join(',');
  }

  #unreadText(turn: Turn, rows: readonly UnreadRow[]): string {
    const byThread = turn.filter.room.timeline.unreadThreadNotifications;
    let notify = 0;
    let highlight = 0;
    const threads: string[] = [];
    for (const row of rows) {
      if (byThread && row.thread !== 0) {
        if (row.notify > 0) threads.push(`${JSON.stringify(this.#uses.interning.eventId(row.thread))}:${counts(row)}`);
        continue;
      }
      notify += row.notify;
      highlight += row.highlight;
    }
    const text = `,"unread_notifications":${counts({ notify, highlight })}`;
    return byThread ? `${text},"unread_thread_notifications":{${threads.join(',')}}` : text;
  }
}

function counts({ notify, highlight }: { readonly notify: number; readonly highlight: number }): string {
  return `{"notification_count":${notify},"highlight_count":${highlight}}`;
}

/** How the events of a room are told in a turn. */
export function audienceOf({ device, filter }: Turn, view: RoomView): EventAudience {
  return { view, device, withRoomId: false, format: filter.eventFormat, fields: filter.eventFields };
}

/** Puts commas between texts. */
export function* separated(texts: Iterable<string>): Generator<string> {
  let comma = '';
  for (const text of texts) {
    yield comma + text;
    comma = ',';
  }
}
