import { invalidParam } from '../protocol/errors.ts';
import type { Filter } from '../protocol/filters/filter.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { Database } from '../store/db.ts';
import type { StreamPos, UserNid } from '../store/nids.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import { positionOfIndex, streamStart } from '../store/sync/positions.ts';
import type { Notifier } from '../streams/notifier.ts';
import type { Streams } from '../streams/streams.ts';
import { parseToken, syncToken, tokenAge } from '../streams/tokens.ts';
import type { Requester } from '../users/login/requester.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { AccountDataSection } from './account-data-section.ts';
import type { ChangedRooms, TurnRooms } from './changed-rooms.ts';
import type { DeviceNews, DeviceSections } from './device-sections.ts';
import type { InvitedRooms } from './invited-room.ts';
import type { JoinedRooms, RoomSections } from './joined-room.ts';
import type { LeftRooms } from './left-room.ts';
import type { MemberMemory } from './member-memory.ts';
import type { PresenceSection } from './presence-section.ts';
import type { StateSection, Turn } from './turn.ts';

/** What a client asks of /sync. */
export interface SyncRequest {
  readonly requester: Requester;
  readonly filter: Filter;
  readonly since: string | undefined;
  readonly fullState: boolean;
  readonly stateSection: StateSection;
  readonly timeout: Millis;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** JSON text: whole, or in pieces that are made when they are asked for. */
export type SyncAnswer = string | Iterable<string>;

/** Longer than any client asks to wait; a bound on what one call may hold. */
const longestWait = millis(5 * 60_000);
/** Up to so many rooms an incremental answer is written at once, so that it can be seen whether it is empty. */
const fewRooms = 50;
/** A large answer is made in pieces of about this many characters: a fraction of a millisecond of work each. */
const pieceSize = 4 * 1024;
/** A room with more state than this is never written at once. */
const muchState = 1000;

export interface SyncUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly pushRules: PushRules;
  readonly sections: RoomSections;
  readonly rooms: ChangedRooms;
  readonly accountData: AccountDataSection;
  readonly devices: DeviceSections;
  readonly presence: PresenceSection;
  readonly joined: JoinedRooms;
  readonly left: LeftRooms;
  readonly invited: InvitedRooms;
  readonly memory: MemberMemory;
}

/**
 * What a client does not know yet, as of one position of the stream. Nothing of a client is remembered but in its
 * token, so a restart goes unnoticed and the same question has the same answer.
 * @see https://spec.matrix.org/v1.19/client-server-api/#syncing
 */
export class Sync {
  readonly #uses: SyncUses;

  constructor(uses: SyncUses) {
    this.#uses = uses;
  }

  /** Answers at once if there is anything to tell, else when there is or the time is over. */
  async sync(request: SyncRequest): Promise<SyncAnswer> {
    const { db, streams, notifier, clock, memory } = this.#uses;
    const { requester } = request;
    const start = this.#start(request.since);
    if (start.initial) memory.forget(requester.device);
    else this.#uses.devices.acknowledge(requester.device, start.toDevice);
    const deadline = clock.monotonic() + Math.min(request.timeout, longestWait);
    let from = start.pos;
    while (true) {
      // Nobody is shown what a power cut may still take back, nor its own event before the answer to its request.
      const unanswered = db.unanswered;
      if (unanswered !== undefined) await unanswered;
      const now = streams.now();
      const turn = this.#turn(request, start, from, now);
      const atOnce = start.initial || request.fullState;
      const answer = atOnce
        ? this.#gathered(this.#whole(turn))
        : db.read<SyncAnswer | undefined>(() => this.#news(turn));
      if (answer !== undefined) return answer;
      const left = deadline - clock.monotonic();
      if (left <= 0) return this.#nothing(turn);
      const reason = await notifier.wait(requester.user, now, millis(Math.ceil(left)), request.signal);
      if (reason !== 'touched') return this.#nothing(turn);
      // Up to here there was nothing, so it need not be looked at again.
      from = now;
    }
  }

  /** What /keys/changes answers; `undefined` for what is no token of this server. */
  deviceListChanges(user: UserNid, from: string, to: string): { changed: string[]; left: string[] } | undefined {
    const { db, streams, devices } = this.#uses;
    const [begin, end] = [parseToken(from), parseToken(to)];
    if (begin?.kind !== 'sync' || end?.kind !== 'sync') return undefined;
    const ages = [begin, end].map((token) => tokenAge(token, streams.epoch));
    if (ages.includes('unknown')) return undefined;
    const start = ages[0] === 'older' ? streamStart : begin.pos;
    return db.read<{ changed: string[]; left: string[] }>(() =>
      devices.changes({ user, from: start, now: streams.now() }),
    );
  }

  #start(since: string | undefined): Start {
    const { streams } = this.#uses;
    if (since === undefined || since === '') return { ...fromNothing, broken: false };
    const token = parseToken(since);
    const age = token && tokenAge(token, streams.epoch);
    if (token === undefined || age === 'unknown') throw invalidParam('since is no token of this server');
    if (age === 'older') return { ...fromNothing, broken: true };
    const now = streams.now();
    if (token.kind === 'page') {
      // It says nothing of messages to the device.
      return { pos: positionOfIndex(token.idx, now), toDevice: streamStart, initial: false, broken: false };
    }
    if (token.pos > now) throw invalidParam('since is no token of this server');
    return { pos: token.pos, toDevice: token.toDevice ?? token.pos, initial: false, broken: false };
  }

  #turn(
    { requester, filter, fullState, stateSection }: SyncRequest,
    { pos, toDevice, initial, broken }: Start,
    from: StreamPos,
    now: StreamPos,
  ): Turn {
    const { user, userId, device } = requester;
    const ignored = this.#uses.pushRules.of(user).ignored;
    const stateAfter = stateSection !== 'state';
    const client = { user, userId, device, filter, fullState, stateSection, stateAfter, ignored };
    return { ...client, since: pos, toDevice, from, now, initial, broken };
  }

  /** An incremental answer, or `undefined` if there is nothing to tell. */
  #news(turn: Turn): SyncAnswer | undefined {
    const rooms = this.#uses.rooms.of(turn);
    const count = rooms.join.length + rooms.invite.length + rooms.knock.length + rooms.leave.length;
    const devices = this.#uses.devices.news(turn, rooms.joined);
    const quiet = count === 0 && !rooms.accountData && devices.isEmpty;
    if (quiet && !this.#uses.presence.hasNews(turn)) return undefined;
    const isLarge = count > fewRooms || rooms.join.some((member) => this.#isLarge(turn, member));
    if (isLarge) return this.#gathered(this.#pieces(turn, rooms, devices));
    let text = '';
    for (const piece of this.#pieces(turn, rooms, devices)) text += piece;
    return devices.isEmpty && text === this.#nothing(turn) ? undefined : text;
  }

  #isLarge(turn: Turn, { room, pos }: LocalMember): boolean {
    return pos > turn.from && (this.#uses.sections.roomState.info(room)?.states ?? 0) > muchState;
  }

  /** Larger pieces, each read as of one moment; between two of them others may write. */
  *#gathered(pieces: Iterator<string>): Generator<string> {
    let done = false;
    while (!done) {
      const text = this.#uses.db.read<string>(() => {
        let gathered = '';
        while (gathered.length < pieceSize) {
          const step = pieces.next();
          done = step.done === true;
          if (done) break;
          gathered += step.value;
        }
        return gathered;
      });
      if (text !== '') yield text;
    }
  }

  #nothing(turn: Turn): string {
    return `${this.#head(turn, undefined)}}`;
  }

  #head({ device, now }: Turn, toDeviceUpTo: StreamPos | undefined): string {
    const token = syncToken(this.#uses.streams.epoch, now, toDeviceUpTo);
    return `{"next_batch":"${token}"${this.#uses.devices.counts(device)}`;
  }

  *#whole(turn: Turn): Generator<string> {
    const rooms = this.#uses.rooms.of(turn);
    yield* this.#pieces(turn, rooms, this.#uses.devices.news(turn, rooms.joined));
  }

  *#pieces(turn: Turn, rooms: TurnRooms, devices: DeviceNews): Generator<string> {
    const { joined, left, invited } = this.#uses;
    yield this.#head(turn, devices.toDeviceUpTo);
    yield* devices.pieces;
    const accountData = rooms.accountData ? this.#uses.accountData.text(turn) : '';
    const presence = this.#uses.presence.text(turn, rooms.join);
    if (presence !== '') yield presence;
    if (accountData !== '') yield `,"account_data":{"events":[${accountData}]}`;
    const sections = [
      section('join', rooms.join, (member) => joined.entry(turn, member)),
      section('invite', rooms.invite, (member) => [invited.entry(turn, member)]),
      section('knock', rooms.knock, (member) => [invited.entry(turn, member)]),
      section('leave', rooms.leave, (member) => left.entry(turn, member)),
    ];
    yield* wrapped(',"rooms":{', chained(sections), '}');
    yield '}';
  }
}

/** Where a client stands. */
interface Start {
  readonly pos: StreamPos;
  readonly toDevice: StreamPos;
  readonly initial: boolean;
  readonly broken: boolean;
}

const fromNothing = { pos: streamStart, toDevice: streamStart, initial: true };

/** `"join":{…}` of all entries that are not empty; nothing if all are. */
function section(
  name: string,
  members: readonly LocalMember[],
  entry: (member: LocalMember) => Iterable<string>,
): Iterable<string> {
  function* entries(): Generator<string> {
    let first = true;
    for (const member of members) {
      let begun = false;
      for (const piece of entry(member)) {
        if (piece === '') continue;
        if (!begun && !first) yield ',';
        begun = true;
        first = false;
        yield piece;
      }
    }
  }
  return wrapped(`"${name}":{`, entries(), '}');
}

/** Puts something before and after the pieces, if there are any. */
function* wrapped(before: string, pieces: Iterable<string>, after: string): Generator<string> {
  let any = false;
  for (const piece of pieces) {
    if (!any) yield before;
    any = true;
    yield piece;
  }
  if (any) yield after;
}

/** Sections with commas between those that are not empty. */
function* chained(sections: readonly Iterable<string>[]): Generator<string> {
  let first = true;
  for (const pieces of sections) {
    let begun = false;
    for (const piece of pieces) {
      if (!begun && !first) yield ',';
      begun = true;
      first = false;
      yield piece;
    }
  }
}
