import { forbidden, invalidParam } from '../protocol/errors.ts';
import { parseRoomId } from '../protocol/ids/room-id.ts';
import type { KnownRoom, KnownRooms } from '../rooms/known-rooms.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { RoomNid } from '../store/nids.ts';
import type { Requester } from '../users/requester.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';
import { mayKnow } from './room-access.ts';
import { type FactSources, type RoomFacts, roomFacts, roomSummary } from './room-facts.ts';

export interface HierarchyUses extends FactSources {
  readonly roomDirectory: RoomDirectoryStore;
  readonly knownRooms: KnownRooms;
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

interface Node {
  readonly room: KnownRoom;
  readonly facts: RoomFacts;
  readonly children: readonly JsonObject[];
}

/** The tree of rooms below a space, as far as they are known here. */
export class SpaceHierarchy {
  readonly #uses: HierarchyUses;

  constructor(uses: HierarchyUses) {
    this.#uses = uses;
  }

  /**
   * One page of the tree: a space before its children, these in the order that the space gives them, each room once.
   * Rooms that the requester may not be told of are left out. The tree is walked anew for each page, so a token needs no
   * memory. 400 M_INVALID_PARAM token · 403 M_FORBIDDEN
   */
  page(requester: Requester, roomId: string, query: HierarchyQuery): JsonObject {
    const depth = Math.min(query.maxDepth ?? maxDepth, maxDepth);
    const limit = Math.min(query.limit ?? defaultLimit, maxLimit);
    const root = this.#node(requester, roomId, query.suggestedOnly);
    if (root === undefined) throw forbidden('You are not in this room and may not join it');
    const state = `${root.room.nid}_${depth}_${query.suggestedOnly ? 1 : 0}`;
    const skip = query.from === undefined ? 0 : skipOf(query.from, state);
    const rooms: JsonObject[] = [];
    let seen = 0;
    for (const { room, facts, children } of this.#walk(requester, root, depth, query.suggestedOnly)) {
      if (seen >= maxRooms) break;
      if (rooms.length === limit) return { rooms, next_batch: `s${seen}_${state}` };
      seen++;
      if (seen > skip) rooms.push({ ...roomSummary(room.roomId, facts), children_state: [...children] });
    }
    return { rooms };
  }

  *#walk(requester: Requester, root: Node, depth: number, suggestedOnly: boolean): Generator<Node> {
    const visited = new Set<RoomNid>();
    const waiting: { readonly id: string; readonly depth: number }[] = [];
    const enter = (node: Node, at: number): void => {
      visited.add(node.room.nid);
      if (at >= depth) return;
      for (const child of node.children.toReversed()) waiting.push({ id: child['state_key'] as string, depth: at + 1 });
    };
    enter(root, 0);
    yield root;
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const known = this.#uses.knownRooms.find(next.id);
      if (known === undefined || visited.has(known.nid)) continue;
      const node = this.#node(requester, next.id, suggestedOnly);
      if (node === undefined) continue;
      enter(node, next.depth);
      yield node;
    }
  }

  /** A room that the requester may be told of. */
  #node({ user }: Requester, roomId: string, suggestedOnly: boolean): Node | undefined {
    const room = this.#uses.knownRooms.find(roomId);
    const facts = room && roomFacts(this.#uses, room.nid);
    if (room === undefined || facts === undefined || !mayKnow(this.#uses, room, facts, user)) return undefined;
    const children = facts.type === 'm.space' ? this.#children(room.nid, suggestedOnly) : [];
    return { room, facts, children };
  }

  /** The children of a space as stripped events, in their order. One without a server to join by is none. */
  #children(space: RoomNid, suggestedOnly: boolean): JsonObject[] {
    const { events, roomDirectory } = this.#uses;
    return [...events.bares(roomDirectory.children(space)).values()]
      .filter(({ content, state_key: child }) => isChild(content, child) && (!suggestedOnly || isSuggested(content)))
      .map(({ type, state_key, content, sender, origin_server_ts }) => ({
        type: type as string,
        state_key: state_key as string,
        content: content as JsonObject,
        sender: sender as string,
        origin_server_ts: origin_server_ts as number,
      }))
      .sort(inSpaceOrder);
  }
}

function isChild(content: JsonValue | undefined, child: JsonValue | undefined): boolean {
  if (!isJsonObject(content) || typeof child !== 'string' || parseRoomId(child) === undefined) return false;
  const { via } = content;
  return Array.isArray(via) && via.length > 0 && via.every((server) => typeof server === 'string');
}

function isSuggested(content: JsonValue | undefined): boolean {
  return isJsonObject(content) && content['suggested'] === true;
}

/**
 * By `order` where it is valid, then those without, by age and room ID.
 * @see https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
 */
function inSpaceOrder(a: JsonObject, b: JsonObject): number {
  const [first, second] = [orderOf(a), orderOf(b)];
  if (first !== second) {
    if (first === undefined) return 1;
    if (second === undefined) return -1;
    return first < second ? -1 : 1;
  }
  const age = (a['origin_server_ts'] as number) - (b['origin_server_ts'] as number);
  if (age !== 0) return age;
  return (a['state_key'] as string) < (b['state_key'] as string) ? -1 : 1;
}

function orderOf({ content }: JsonObject): string | undefined {
  const order = (content as JsonObject)['order'];
  return typeof order === 'string' && /^[\x20-\x7e]{0,50}$/.test(order) ? order : undefined;
}

function skipOf(token: string, state: string): number {
  const [, skip, said] = /^s(\d{1,9})_(\d{1,15}_\d{1,3}_[01])$/.exec(token) ?? [];
  if (skip === undefined) throw invalidParam('from is not a token of this server');
  if (said !== state) throw invalidParam('The room, suggested_only and max_depth cannot change from page to page');
  return Number(skip);
}
