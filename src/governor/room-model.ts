/**
 * What a room will cost this server, in units that people know, from what others tell of it. Pure: the same facts give
 * the same figures.
 */

/** `counted` by ourselves, `told` by another server, or `guessed` from the other figures. */
export type Sureness = 'counted' | 'told' | 'guessed';

export interface Figure {
  readonly value: number;
  readonly sure: Sureness;
}

/** What is known of a room; every figure may be missing. */
export interface RoomFacts {
  /** Joined members. */
  readonly members?: Figure | undefined;
  readonly servers?: Figure | undefined;
  /** Entries of the current state, memberships included. */
  readonly stateEvents?: Figure | undefined;
  readonly messagesPerDay?: Figure | undefined;
}

/** How fast the board takes rooms in. */
export interface BoardPace {
  /** Milliseconds for each state event of a room that is joined, what authorises it included. */
  readonly msPerStateEvent: number;
  /** How many state events of past joins this was taken from; 0: none yet. */
  readonly from: number;
}

export interface RoomEstimate {
  readonly members: Figure;
  readonly servers: Figure;
  readonly stateEvents: Figure;
  /** Megabytes (10^6 bytes) in the database once the room is in it and packed, without the messages to come. */
  readonly diskMb: Figure;
  /** Minutes until all members are known, on this board. */
  readonly joinMinutes: Figure;
  readonly messagesPerDay: Figure;
}

/** Of a member's event with its rows, indexes and share of the auth events, once packed; measured with long names. */
const bytesPerMember = 760;
/** Of any other state event, bans and memberships of those who have left included: they say less. */
const bytesPerOtherState = 530;
/** Of Base64, the least that can be packed of what servers send. */
const packedShare = 0.75;
/** The first few find room in pages that are there; but some tables begin with this room. */
const freeStates = 10;
const leastBytes = 6144;
/** Rooms hold settings, and memberships of those who have left: so many more than there are members. */
const statesPerMember = 1.25;
const fewestStates = 8;
/** A join of any room: two handshakes and the keys of a server. */
const leastJoinMs = 300;

/** `undefined` if nothing is known that says how large the room is. */
export function estimateRoom(facts: RoomFacts, pace: BoardPace): RoomEstimate | undefined {
  const { members: toldMembers, stateEvents: toldStates } = facts;
  if (toldMembers === undefined && toldStates === undefined) return undefined;
  const members = toldMembers ?? guess(Math.max(1, Math.round(((toldStates?.value ?? 0) - fewestStates) / 1.25)));
  const stateEvents = toldStates ?? guess(Math.round(members.value * statesPerMember) + fewestStates);
  const joinMs = leastJoinMs + stateEvents.value * pace.msPerStateEvent;
  return {
    members,
    servers: facts.servers ?? guess(usualServers(members.value)),
    stateEvents,
    diskMb: guess(rounded(megabytesOf(stateEvents.value, members.value))),
    joinMinutes: guess(rounded(joinMs / 60_000)),
    messagesPerDay: facts.messagesPerDay ?? guess(Math.round(members.value ** 0.7)),
  };
}

/** Megabytes that a room takes which has so many events in its state, those of so many joined members among them. */
export function megabytesOf(stateEvents: number, members: number): number {
  const joined = Math.min(members, stateEvents);
  const paid = Math.max(0, stateEvents - freeStates);
  const bytes = joined * bytesPerMember + (stateEvents - joined) * bytesPerOtherState;
  return (leastBytes + (bytes * paid) / Math.max(1, stateEvents)) / 1e6;
}

/** What so many bytes of JSON take once they are packed, if most of them are text that nobody has seen before. */
export function packedMegabytes(bytes: number): number {
  return (bytes * packedShare) / 1e6;
}

/** Public rooms of 40,000 members are on some 2,800 servers, rooms of ten people on half a dozen. */
function usualServers(members: number): number {
  return Math.max(1, Math.round(members ** 0.75));
}

const guess = (value: number): Figure => ({ value, sure: 'guessed' });

/** Three significant digits: more would be a promise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/**
 * What several servers tell of one number: the middle one, the larger of two. A single liar among three moves nothing;
 * what is told too low is found out while the room comes in.
 */
export function agreedOn(told: readonly number[]): number | undefined {
  const sorted = told.filter((value) => Number.isFinite(value) && value >= 0).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The pace from past joins, the newest first, together with what is assumed of a board that has not joined any. */
export function paceFrom(
  samples: readonly { readonly events: number; readonly ms: number }[],
  assumed: number,
): BoardPace {
  let events = 0;
  let ms = 0;
  for (const sample of samples) {
    events += sample.events;
    ms += sample.ms;
  }
  // The assumption counts as much as a join of so many events: one small room does not say much.
  const weight = 500;
  return { msPerStateEvent: (ms + weight * assumed) / (events + weight), from: events };
}
