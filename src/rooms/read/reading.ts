import { forbidden, invalidParam, notFound } from '../../protocol/errors.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { type MembershipName, membershipName, memberships } from '../../store/events/membership.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../../store/nids.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Requester } from '../../users/login/requester.ts';
import { isJsonObject, type JsonValue } from '../../util/json.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { Bundles } from '../relations/bundles.ts';
import type { StateSources } from '../state/current-state.ts';
import type { ClientEvents, EventAudience } from './client-events.ts';
import type { RoomTokens } from './tokens.ts';
import type { RoomView, Visibility } from './visibility.ts';

export interface ReadingUses extends StateSources {
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly streams: Streams;
  readonly rooms: KnownRooms;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly bundles: Bundles;
  readonly tokens: RoomTokens;
}

/** Entries read at a time where the whole is unbounded: so few are garbage before the collector takes them for old. */
const pageSize = 32;

export interface MemberSelection {
  readonly membership?: MembershipName | undefined;
  readonly notMembership?: MembershipName | undefined;
  /** A token: the state of then instead of the newest that the requester may see. */
  readonly at?: string | undefined;
}

/** A room as one requester may read it. */
export interface Opened {
  readonly room: KnownRoom;
  readonly view: RoomView;
  /** The newest state that the requester may see: the current one, or that of when the requester left. */
  readonly state: StatePoint;
  /** The position of that state. */
  readonly until: StreamPos;
}

/** Reads rooms for our users. Everything here asks first whether the requester may. */
export class RoomReading {
  readonly #uses: ReadingUses;

  constructor(uses: ReadingUses) {
    this.#uses = uses;
  }

  /**
   * Opens a room for reading: for who is in it, was in it (up to the leave, unless forgotten), and for anybody if it is
   * world-readable. `upTo`: nothing later than this. 403 M_FORBIDDEN
   */
  open({ user }: Requester, roomId: string, upTo?: StreamPos): Opened {
    const { rooms, roomState, streams, visibility } = this.#uses;
    const room = rooms.getForMember(roomId);
    const view = visibility.view(room.nid, user);
    const forgotten = roomState.localMember(user, room.nid)?.forgotten === true;
    const leftAt = forgotten ? undefined : view.leftAt;
    if (view.membership === 'join' || view.isWorldReadable) return this.#opened(room, view, upTo ?? streams.now());
    if (leftAt !== undefined) return this.#opened(room, view, leftAt);
    throw forbidden('You are not in this room');
  }

  #opened(room: KnownRoom, view: RoomView, until: StreamPos): Opened {
    return { room, view, state: this.#mainAt(room.nid, until), until };
  }

  #mainAt(room: RoomNid, pos: StreamPos): StatePoint {
    const line = this.#uses.stateLog.lineAt(room, pos);
    if (line === undefined) throw forbidden('The room was not known here at that time');
    return { line, pos };
  }

  audience({ view }: Opened, { device }: Requester): EventAudience {
    return { view, device, withRoomId: true };
  }

  /** One event as JSON text. 404 M_NOT_FOUND no such event in the room, or not to be seen */
  event(requester: Requester, roomId: string, eventId: string): string {
    const { view, row } = this.visibleEvent(requester, roomId, eventId);
    return this.#uses.bundles.text(row, { view, device: requester.device, withRoomId: true });
  }

  /** The row of an event that the requester may see. 404 M_NOT_FOUND */
  visibleEvent(
    requester: Requester,
    roomId: string,
    eventId: string,
  ): { room: KnownRoom; view: RoomView; row: EventRow } {
    const { events, interning, roomState, rooms, visibility } = this.#uses;
    const room = rooms.find(roomId);
    const nid = room && interning.findEvent(eventId);
    const row = nid === undefined ? undefined : events.row(nid);
    if (room === undefined || row?.room !== room.nid) throw notFound('Event not found');
    const view = visibility.view(room.nid, requester.user);
    const forgotten = roomState.localMember(requester.user, room.nid)?.forgotten === true;
    if ((forgotten && !view.isWorldReadable) || !view.mayRead(row)) throw notFound('Event not found');
    return { room, view, row };
  }

  /** The state as a JSON array, in pieces. 403 M_FORBIDDEN, at once */
  state(requester: Requester, roomId: string): Generator<string> {
    const opened = this.open(requester, roomId);
    return this.stateOf(opened, requester);
  }

  /** The same of a room that is open already. */
  stateOf(opened: Opened, requester: Requester): Generator<string> {
    return this.#stateArray(opened.state, this.audience(opened, requester), () => true);
  }

  /** An event of any room as JSON text. 404 M_NOT_FOUND no such event, or not to be seen */
  eventAnywhere(requester: Requester, eventId: string): string {
    const { events, interning } = this.#uses;
    const nid = interning.findEvent(eventId);
    const row = nid === undefined ? undefined : events.row(nid);
    if (row === undefined) throw notFound('Event not found');
    return this.event(requester, interning.roomId(row.room), eventId);
  }

  /** One state event's content, or the event as clients see it, as JSON text. 404 M_NOT_FOUND */
  stateEvent(
    requester: Requester,
    roomId: string,
    key: { readonly type: string; readonly stateKey: string },
    format: 'content' | 'event',
  ): string {
    const { interning, stateLog, events, clientEvents } = this.#uses;
    const opened = this.open(requester, roomId);
    const keyNid = interning.findStateKey(key.type, key.stateKey);
    const nid = keyNid === undefined ? undefined : stateLog.at(opened.state, keyNid);
    const row = nid === undefined ? undefined : events.row(nid);
    if (row === undefined) throw notFound('The room has no such state');
    if (format === 'content') return JSON.stringify(events.bare(row.nid)['content']);
    return clientEvents.text(row, this.audience(opened, requester));
  }

  /** `{"chunk":[…]}` of member events, in pieces. 403 M_FORBIDDEN and 400 M_INVALID_PARAM (`at`), at once */
  members(requester: Requester, roomId: string, selection: MemberSelection): Generator<string> {
    const opened = this.open(requester, roomId);
    const state = selection.at === undefined ? opened.state : this.#stateAtToken(opened, selection.at);
    const chunk = this.#stateArray(state, this.audience(opened, requester), (row) => isWanted(row, selection));
    return around('{"chunk":', chunk, '}');
  }

  /** The state of then is for who may see what happened last by then. */
  #stateAtToken({ room, view, state, until }: Opened, at: string): StatePoint {
    const { events, timeline, tokens } = this.#uses;
    const pos = tokens.position('at', at, room.nid);
    if (pos === undefined) throw invalidParam('at lies before what is known of the room');
    if (pos >= until) return state;
    const { segment, idx } = tokens.boundary('at', at, room.nid);
    const newest = timeline.page(segment, idx, 'b', 1).events[0]?.event;
    const row = newest === undefined ? undefined : events.row(newest);
    if (row !== undefined && !view.mayRead(row)) throw forbidden('You may not see the room as it was then');
    return this.#mainAt(room.nid, pos);
  }

  /** `{"joined":{…}}` with names and pictures, in pieces. 403 M_FORBIDDEN unless the requester is in the room */
  joinedMembers(requester: Requester, roomId: string): Generator<string> {
    const { rooms, roomState } = this.#uses;
    const room = rooms.getForMember(roomId);
    if (roomState.member(room.nid, requester.user)?.membership !== memberships.join) {
      throw forbidden('You are not in this room');
    }
    return this.#joinedMembers(room.nid);
  }

  *#joinedMembers(room: RoomNid): Generator<string> {
    const { roomState, events } = this.#uses;
    let separator = '{"joined":{';
    let page = roomState.joinedMembers(room, { limit: pageSize });
    while (page.length > 0) {
      let text = '';
      for (const { stateKey, content } of events.passing(page.map(({ event }) => event))) {
        text += `${separator}${JSON.stringify(stateKey)}:${JSON.stringify(shownMember(content))}`;
        separator = ',';
      }
      yield text;
      const after = page.at(-1)?.user;
      page = page.length < pageSize ? [] : roomState.joinedMembers(room, { after, limit: pageSize });
    }
    yield separator === ',' ? '}}' : '{"joined":{}}';
  }

  /** The state at a point as a JSON array, read page by page: what is written meanwhile has later positions. */
  *#stateArray(state: StatePoint, audience: EventAudience, wanted: (row: EventRow) => boolean): Generator<string> {
    const { stateLog, events, clientEvents } = this.#uses;
    let after: StateKeyNid | 0 = 0;
    let separator = '[';
    while (true) {
      const page: readonly (readonly [StateKeyNid, EventNid])[] = stateLog.pageAt(state, after, pageSize);
      for (const event of events.passing(page.map(([, each]) => each))) {
        if (!wanted(event.row)) continue;
        yield separator + clientEvents.passing(event, audience);
        separator = ',';
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      after = last[0];
    }
    yield separator === ',' ? ']' : '[]';
  }
}

function isWanted({ type, membership: code }: EventRow, { membership, notMembership }: MemberSelection): boolean {
  if (type !== wellKnown.types.member || code === null) return false;
  if (membership === undefined && notMembership === undefined) return true;
  // Given both, one of them has to hold.
  const name = membershipName(code);
  return (membership !== undefined && name === membership) || (notMembership !== undefined && name !== notMembership);
}

/** A name or picture of another type than a string is shown as if it were not there. */
function shownMember(content: JsonValue | undefined): { display_name?: string; avatar_url?: string } {
  const { displayname, avatar_url } = isJsonObject(content) ? content : {};
  return {
    ...(typeof displayname === 'string' ? { display_name: displayname } : {}),
    ...(typeof avatar_url === 'string' ? { avatar_url } : {}),
  };
}

function* around(before: string, pieces: Iterable<string>, after: string): Generator<string> {
  yield before;
  yield* pieces;
  yield after;
}
