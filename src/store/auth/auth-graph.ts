import type { Preparing } from '../database/reader.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid } from '../nids.ts';
import { ByteReader, ByteWriter } from '../varint.ts';

export interface ChainPosition {
  readonly chain: number;
  readonly seq: number;
}

interface Node extends ChainPosition {
  readonly event: EventNid;
  readonly rank: number;
  readonly key: StateKeyNid | null;
}

/** Whoever asks is mostly content with the first few. */
const childrenAtOnce = 64;

/**
 * The auth events of state events, for state resolution. Events that cite their predecessor under the same key form a
 * chain, inside which one position tells what is in whose auth chain. `rank` grows along edges; unlike `depth` it is
 * ours, so nobody can lie about it. Writing methods belong inside a write.
 */
export class AuthGraph {
  readonly #db: Preparing;
  readonly #node;
  readonly #nodes;
  readonly #edges;
  readonly #at;
  readonly #insert;
  readonly #children;
  readonly #addChild;
  readonly #witness;
  readonly #setWitness;
  readonly #create;

  constructor(db: Preparing) {
    this.#db = db;
    this.#node = db.prepare<[number], ChainPosition & { rank: number; edges: Buffer }>(
      'SELECT chain, seq, rank, edges FROM auth_node WHERE event = ?',
    );
    this.#nodes = db.prepare<[string], Node>(
      'SELECT auth_node.event, auth_node.chain, auth_node.seq, auth_node.rank, event.state_key AS key' +
        ' FROM json_each(?) AS wanted CROSS JOIN auth_node ON auth_node.event = wanted.value' +
        ' CROSS JOIN event ON event.nid = auth_node.event',
    );
    this.#edges = db.prepare<[string], { edges: Buffer }>(
      'SELECT edges FROM json_each(?) AS wanted CROSS JOIN auth_node ON auth_node.event = wanted.value',
    );
    this.#at = db.prepare<[number, number], { event: EventNid }>(
      'SELECT event FROM auth_node WHERE chain = ? AND seq = ?',
    );
    this.#insert = db.prepare<[number, number, number, number, Buffer], never>(
      'INSERT INTO auth_node (event, chain, seq, rank, edges) VALUES (?, ?, ?, ?, ?)',
    );
    this.#children = db.prepare<[number, number, number], { child: EventNid }>(
      'SELECT child FROM auth_child WHERE parent = ? AND child > ? ORDER BY child LIMIT ?',
    );
    this.#addChild = db.prepare<[number, number], never>(
      'INSERT OR IGNORE INTO auth_child (parent, child) VALUES (?, ?)',
    );
    this.#witness = db.prepare<[number], { witness: EventNid | null }>('SELECT witness FROM auth_node WHERE event = ?');
    this.#setWitness = db.prepare<[number, number], never>('UPDATE auth_node SET witness = ? WHERE event = ?');
    this.#create = db.prepare<[number, number], { event: EventNid }>(
      'SELECT event FROM current_state WHERE room = ? AND key = ?',
    );
  }

  /**
   * Adds a state event. Its auth events were added before it. In room versions whose events do not cite the create
   * event it becomes an edge all the same: taken from the room's current state, or from `authEvents` if that is where
   * the caller puts it (before the room has a state). Adding an event again changes nothing.
   */
  add(event: EventNid, room: RoomNid, authEvents: readonly EventNid[], key: StateKeyNid): void {
    if (this.#node.get(event) !== undefined) return;
    const parents = this.#read(this.#withCreate(event, room, authEvents, key));
    const { chain, seq, predecessor } = this.#place(event, parents, key);
    const rank = parents.reduce((highest, parent) => Math.max(highest, parent.rank + 1), 0);
    this.#insert.run(event, chain, seq, rank, encodeEdges(parents.map((parent) => parent.event)));
    for (const parent of parents) {
      if (parent.key === wellKnown.stateKeys.create || parent.event === predecessor) continue;
      this.#addChild.run(parent.event, event);
    }
  }

  #withCreate(event: EventNid, room: RoomNid, authEvents: readonly EventNid[], key: StateKeyNid): Set<EventNid> {
    const parents = new Set(authEvents);
    if (key === wellKnown.stateKeys.create) return parents;
    const create = this.#create.get(room, wellKnown.stateKeys.create)?.event;
    if (create !== undefined && create !== event) parents.add(create);
    return parents;
  }

  #read(parents: ReadonlySet<EventNid>): Node[] {
    const found = parents.size === 0 ? [] : this.#nodes.all(JSON.stringify([...parents]));
    if (found.length !== parents.size) throw new Error('an auth event has no place in the auth graph');
    return found;
  }

  /** The next position in the chain of its predecessor, unless another event has taken it; else a chain of its own. */
  #place(event: EventNid, parents: readonly Node[], key: StateKeyNid): ChainPosition & { predecessor?: EventNid } {
    const candidates = parents.filter((parent) => parent.key === key).sort((a, b) => b.rank - a.rank);
    for (const { event: predecessor, chain, seq } of candidates) {
      if (this.#at.get(chain, seq + 1) === undefined) return { chain, seq: seq + 1, predecessor };
    }
    return { chain: event, seq: 0 };
  }

  has(event: EventNid): boolean {
    return this.#node.get(event) !== undefined;
  }

  /** The auth events of an event, the create event included in every room version. */
  edges(event: EventNid): EventNid[] {
    return decodeEdges(this.#require(event).edges);
  }

  /** The auth events of several events, repeated where several cite one; events without a place here have none. */
  *edgesOf(events: readonly EventNid[]): Generator<EventNid> {
    if (events.length === 0) return;
    for (const { edges } of this.#edges.all(JSON.stringify(events))) yield* decodeEdges(edges);
  }

  /** Greater than the rank of each auth event. */
  rank(event: EventNid): number {
    return this.#require(event).rank;
  }

  /** Of two events of one chain, that of the lower `seq` is in the auth chain of the other. */
  position(event: EventNid): ChainPosition {
    const { chain, seq } = this.#require(event);
    return { chain, seq };
  }

  /**
   * The state events that cite this one, read in pages: everybody's join cites the join rules. Not told of the create
   * event, whose children are not kept.
   */
  *children(event: EventNid): Generator<EventNid> {
    const { chain, seq } = this.#require(event);
    const successor = this.#at.get(chain, seq + 1)?.event;
    if (successor !== undefined) yield successor;
    let after = 0;
    while (true) {
      const page = this.#children.all(event, after, childrenAtOnce);
      for (const { child } of page) yield child;
      const last = page.at(-1);
      if (last === undefined || page.length < childrenAtOnce) return;
      after = last.child;
    }
  }

  /** A state event that was once seen to have this one in its auth chain: only a hint. */
  witness(event: EventNid): EventNid | undefined {
    return this.#witness.get(event)?.witness ?? undefined;
  }

  /** Remembers a witness; outside of a write it does nothing. */
  setWitness(event: EventNid, witness: EventNid): void {
    if (this.#db.inTransaction) this.#setWitness.run(witness, event);
  }

  #require(event: EventNid): ChainPosition & { rank: number; edges: Buffer } {
    const node = this.#node.get(event);
    if (node === undefined) throw new Error(`event ${event} has no place in the auth graph`);
    return node;
  }
}

/** NIDs ascending, each as its distance from the one before. */
export function encodeEdges(events: readonly EventNid[]): Buffer {
  const writer = new ByteWriter();
  let last = 0;
  for (const event of [...events].sort((a, b) => a - b)) {
    writer.varint(event - last);
    last = event;
  }
  return writer.finish();
}

export function decodeEdges(edges: Buffer): EventNid[] {
  const reader = new ByteReader(edges);
  const events: EventNid[] = [];
  let last = 0;
  while (!reader.done) {
    last += reader.varint();
    events.push(last as EventNid);
  }
  return events;
}
