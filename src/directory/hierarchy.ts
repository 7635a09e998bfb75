import { forbidden, invalidParam } from '../protocol/errors.ts';
import { parseRoomId } from '../protocol/ids/room-id.ts';
import type { RoomId, ServerName } from '../protocol/ids/types.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Clock } from '../util/clock.ts';
import { sha256 } from '../util/hash.ts';
import type { JsonObject } from '../util/json.ts';
import { Turn } from '../util/slices.ts';
import type { JoinedCounts } from './joined-counts.ts';
import type { RemoteRoom, RemoteRoomInfos } from './remote-rooms.ts';
import { mayBeTold, mayKnow } from './room-access.ts';
import { type FactSources, roomFacts, roomSummary } from './room-facts.ts';
import { childId, isSuggested, spaceChildren, viaOf } from './space-children.ts';
import type { ToldRoom } from './told-room.ts';

export interface HierarchyUses extends FactSources {
  readonly roomDirectory: RoomDirectoryStore;
  readonly knownRooms: KnownRooms;
  readonly remoteRooms: RemoteRoomInfos;
  readonly joinedCounts: JoinedCounts;
  readonly clock: Clock;
}

export interface HierarchyQuery {
  readonly suggestedOnly: boolean;
  readonly limit?: number | undefined;
  readonly maxDepth?: number | undefined;
  readonly from?: string | undefined;
}

const defaultLimit = 50;
const maxLimit = 100;
/** Deeper spaces are opened one by one. */
const maxDepth = 10;
/** Rooms of one tree that are walked at most, so that a page costs a bounded time. */
const maxRooms = 2000;
/** Children that wait to be looked at; what exceeds them is cut from a tree that only somebody hostile grows. */
const maxWaiting = 5000;
/** Rooms that other servers are asked for in one page; the next page goes on with what is remembered of them. */
const maxAsked = 20;
/** Other servers may be slow: a page that has taken so long ends where it is. */
const maxTime = 20_000;

/** A room that the requester may be told of. */
interface Node {
  readonly roomId: RoomId;
  readonly summary: JsonObject;
  readonly childEvents: readonly JsonObject[];
  /** Who told us of the children, if the room is not known here. */
  readonly told: RemoteRoom | undefined;
}

/** A child that is still to be looked at. */
interface Waiting {
  readonly roomId: RoomId;
  readonly depth: number;
  readonly via: readonly ServerName[];
  readonly parent: RemoteRoom | undefined;
}

/** What one page may still ask of other servers. */
class Budget {
  asked = 0;
  readonly #clock: Clock;
  readonly #start: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#start = clock.monotonic();
  }

  get isSpent(): boolean {
    return this.asked >= maxAsked || this.#clock.monotonic() - this.#start > maxTime;
  }
}

/** The tree of rooms below a space. */
export class SpaceHierarchy {
  readonly #uses: HierarchyUses;

  constructor(uses: HierarchyUses) {
    this.#uses = uses;
  }

  /**
   * One page of the tree: a space before its children, these in the order that the space gives them, each room once.
   * Rooms that the requester may not be told of are left out; other servers are asked for those that nobody here is in.
   * The tree is walked anew for each page, so a token needs no memory. 400 M_INVALID_PARAM token · 403 M_FORBIDDEN
   * · 503 M_UNKNOWN the members of the first room are not known yet
   */
  async page(requester: Requester, roomId: string, query: HierarchyQuery): Promise<JsonObject> {
    const depth = Math.min(query.maxDepth ?? maxDepth, maxDepth);
    const limit = Math.min(query.limit ?? defaultLimit, maxLimit);
    const state = `${sha256(roomId).toString('hex', 0, 6)}_${depth}_${query.suggestedOnly ? 1 : 0}`;
    const skip = query.from === undefined ? 0 : skipOf(query.from, state);
    const budget = new Budget(this.#uses.clock);
    const root = await this.#root(requester, roomId, budget);
    if (root === undefined) throw forbidden('You are not in this room and may not join it');
    const rooms: JsonObject[] = [];
    let seen = 0;
    for await (const node of this.#walk(requester, root, { depth, suggestedOnly: query.suggestedOnly, budget })) {
      if (seen >= maxRooms) break;
      if (node === 'later') return { rooms, next_batch: `s${Math.max(seen, skip)}_${state}` };
      if (rooms.length === limit) return { rooms, next_batch: `s${seen}_${state}` };
      seen++;
      const { summary, childEvents } = node;
      if (seen > skip) rooms.push({ ...summary, children_state: wanted(childEvents, query.suggestedOnly) });
    }
    return { rooms };
  }

  /** `later`: what comes next has to be asked for, and this page has asked enough. */
  async *#walk(
    requester: Requester,
    root: Node,
    { depth, suggestedOnly, budget }: { depth: number; suggestedOnly: boolean; budget: Budget },
  ): AsyncGenerator<Node | 'later', void> {
    const visited = new Set<string>();
    const waiting: Waiting[] = [];
    const turn = new Turn(this.#uses.clock);
    const enter = ({ roomId, childEvents, told }: Node, at: number): void => {
      visited.add(roomId);
      if (at >= depth || waiting.length > maxWaiting) return;
      for (const child of wanted(childEvents, suggestedOnly).toReversed()) {
        waiting.push({ roomId: childId(child), depth: at + 1, via: viaOf(child), parent: told });
      }
    };
    enter(root, 0);
    yield root;
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (visited.has(next.roomId)) continue;
      if (turn.isOver) await turn.next();
      const node = (await this.#known(requester, next.roomId)) ?? (await this.#told(requester, next, budget));
      if (node === 'later') {
        yield node;
        return;
      }
      if (node === 'nothing') continue;
      enter(node, next.depth);
      yield node;
    }
  }

  async #root(requester: Requester, text: string, budget: Budget): Promise<Node | undefined> {
    const roomId = parseRoomId(text);
    if (roomId === undefined) return undefined;
    const via = this.#inviters(requester, roomId);
    const node =
      (await this.#known(requester, roomId, true)) ??
      (await this.#told(requester, { roomId, depth: 0, via, parent: undefined }, budget));
    return typeof node === 'string' ? undefined : node;
  }

  /** The server of who invited the requester: the only one that we know to be in a room that nobody here is in. */
  #inviters({ user }: Requester, roomId: RoomId): ServerName[] {
    const { interning, roomState, events } = this.#uses;
    const nid = interning.findRoom(roomId);
    const member = nid === undefined ? undefined : roomState.localMember(user, nid);
    const row = member === undefined ? undefined : events.row(member.event);
    return row === undefined ? [] : [interning.serverName(interning.userServer(row.sender))];
  }

  /**
   * A room that one of our users is in; of others it may be long out of date what is stored here. Of one whose members
   * nobody tells yet nothing is said, unless it `isWaitedFor`.
   */
  async #known({ user }: Requester, roomId: string, isWaitedFor = false): Promise<Node | 'nothing' | undefined> {
    const room = this.#uses.knownRooms.find(roomId);
    if (room === undefined || !this.#uses.roomState.hasLocalJoined(room.nid)) return undefined;
    const facts = roomFacts(this.#uses, room.nid);
    if (facts === undefined || !mayKnow(this.#uses, room, facts, user)) return 'nothing';
    const { joinedCounts } = this.#uses;
    const joined = isWaitedFor ? await joinedCounts.of(room) : await joinedCounts.known(room);
    if (joined === undefined) return 'nothing';
    const childEvents = facts.type === 'm.space' ? spaceChildren(this.#uses, room.nid, false) : [];
    return { roomId: room.roomId, summary: roomSummary(room.roomId, facts, joined), childEvents, told: undefined };
  }

  /** A room that other servers know. */
  async #told(
    { user }: Requester,
    { roomId, via, parent }: Waiting,
    budget: Budget,
  ): Promise<Node | 'nothing' | 'later'> {
    if (parent?.inaccessible.has(roomId) === true) return 'nothing';
    const hint = parent?.children.get(roomId);
    // Only a space has more to tell than its parent has told already.
    if (hint !== undefined && hint.summary['room_type'] !== 'm.space') return this.#node(user, hint, undefined);
    let found = this.#uses.remoteRooms.remembered(roomId);
    if (found === undefined) {
      if (budget.isSpent) return 'later';
      budget.asked++;
      found = await this.#uses.remoteRooms.ask(roomId, via);
    }
    const room = found?.room ?? hint;
    return room === undefined ? 'nothing' : this.#node(user, room, found ?? undefined);
  }

  #node(user: Requester['user'], room: ToldRoom, told: RemoteRoom | undefined): Node | 'nothing' {
    if (!mayBeTold(this.#uses, room, user)) return 'nothing';
    return { roomId: room.roomId, summary: room.summary, childEvents: told?.childEvents ?? [], told };
  }
}

function wanted(childEvents: readonly JsonObject[], suggestedOnly: boolean): JsonObject[] {
  return childEvents.filter((child) => !suggestedOnly || isSuggested(child));
}

function skipOf(token: string, state: string): number {
  const [, skip, said] = /^s(\d{1,9})_([0-9a-f]{12}_\d{1,3}_[01])$/.exec(token) ?? [];
  if (skip === undefined) throw invalidParam('from is not a token of this server');
  if (said !== state) throw invalidParam('The room, suggested_only and max_depth cannot change from page to page');
  return Number(skip);
}
