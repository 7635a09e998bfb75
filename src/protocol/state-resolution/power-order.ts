import { membershipOf } from '../event-auth/content.ts';
import { PowerLevels } from '../event-auth/power-levels.ts';
import type { AuthEvent } from '../event-auth/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { Heap } from './heap.ts';
import { compareByTime, type SortKey } from './order.ts';
import type { ResolutionInput } from './types.ts';

interface PowerNode<Id> extends SortKey<Id> {
  /** The power of the sender as the event's own auth events have it. */
  readonly level: number;
  readonly citedBy: PowerNode<Id>[];
  /** Cited events that are not in the order yet. */
  open: number;
}

/**
 * Events that might take somebody's right to do something away. The text asks for no particular state key and leaves
 * the create event out; the servers one has to agree with ask for the empty one and count it.
 */
export function isPowerEvent(event: AuthEvent<unknown>): boolean {
  switch (event.type) {
    case 'm.room.power_levels':
    case 'm.room.join_rules':
    case 'm.room.create':
      return event.stateKey === '';
    case 'm.room.member': {
      const membership = membershipOf(event);
      return (membership === 'leave' || membership === 'ban') && event.sender !== event.stateKey;
    }
    default:
      return false;
  }
}

/**
 * Step 1: the power events of the full conflicted set and what it holds of their auth chains, in reverse topological
 * power order. The chains are followed inside the set only, and an event goes behind those it cites itself: where a
 * path leaves the set and comes back the text asks for more, but the servers one has to agree with do this.
 * @see https://spec.matrix.org/v1.19/rooms/v12/#definitions
 */
export function powerOrder<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>, full: ReadonlySet<Id>): Id[] {
  const nodes = new Map<Id, PowerNode<Id>>();
  for (const id of full) {
    if (isPowerEvent(input.fetch(id))) addWithChain(rules, input, full, nodes, id);
  }
  return sort(nodes.values());
}

function addWithChain<Id>(
  rules: RoomVersionRules,
  input: ResolutionInput<Id>,
  full: ReadonlySet<Id>,
  nodes: Map<Id, PowerNode<Id>>,
  first: Id,
): void {
  const node = (id: Id): PowerNode<Id> => {
    const made = makeNode(rules, input, id);
    nodes.set(id, made);
    pending.push(made);
    return made;
  };
  const pending: PowerNode<Id>[] = [];
  if (!nodes.has(first)) node(first);
  for (let citing = pending.pop(); citing; citing = pending.pop()) {
    for (const id of new Set(input.graph.edges(citing.id))) {
      if (!full.has(id)) continue;
      (nodes.get(id) ?? node(id)).citedBy.push(citing);
      citing.open++;
    }
  }
}

function makeNode<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>, id: Id): PowerNode<Id> {
  const event = input.fetch(id);
  const level = senderLevel(rules, input, event);
  return { id, eventId: event.eventId, originServerTs: event.originServerTs, level, citedBy: [], open: 0 };
}

function senderLevel<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>, event: AuthEvent<Id>): number {
  const level = new PowerLevels(rules, input.create, powerLevelsOf(input, event)).userLevel(event.sender);
  // A malformed level passes no rule, yet the order needs a number.
  return Number.isNaN(level) ? 0 : level;
}

/** The power levels event that an event cites. */
export function powerLevelsOf<Id>(input: ResolutionInput<Id>, event: AuthEvent<Id>): AuthEvent<Id> | undefined {
  for (const id of event.authEvents) {
    const cited = input.fetch(id);
    if (cited.type === 'm.room.power_levels' && cited.stateKey === '') return cited;
  }
  return undefined;
}

/** Kahn's algorithm, always taking the smallest of the events whose cited events have all been taken. */
function sort<Id>(nodes: Iterable<PowerNode<Id>>): Id[] {
  const ready = new Heap<PowerNode<Id>>((a, b) => comparePower(a, b) < 0);
  for (const node of nodes) {
    if (node.open === 0) ready.push(node);
  }
  const order: Id[] = [];
  for (let node = ready.pop(); node; node = ready.pop()) {
    order.push(node.id);
    for (const citing of node.citedBy) {
      if (--citing.open === 0) ready.push(citing);
    }
  }
  return order;
}

function comparePower<Id>(a: PowerNode<Id>, b: PowerNode<Id>): number {
  if (a.level !== b.level) return a.level > b.level ? -1 : 1;
  return compareByTime(a, b);
}
