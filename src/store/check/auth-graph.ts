import { type Pdu, refIds } from '../../protocol/events/pdu.ts';
import { decodeEdges } from '../auth/auth-graph.ts';
import type { Database } from '../db.ts';
import { EventStore } from '../events/event-store.ts';
import { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid } from '../nids.ts';

interface NodeRow {
  readonly event: EventNid;
  readonly chain: number;
  readonly seq: number;
  readonly rank: number;
  readonly edges: Buffer;
  readonly key: StateKeyNid | null;
  readonly room: RoomNid;
}

const pageSize = 256;

/** Every node of the auth graph has the edges of its event's body, a rank above theirs, and its children know it. */
export class AuthGraphCheck {
  readonly #interning: Interning;
  readonly #events: EventStore;
  readonly #page;
  readonly #node;
  readonly #at;
  readonly #parents;
  readonly #children;

  constructor(db: Database) {
    this.#interning = new Interning(db);
    this.#events = new EventStore(db, this.#interning);
    const columns = 'auth_node.event, chain, seq, rank, edges, event.state_key AS key, event.room';
    const source = 'auth_node JOIN event ON event.nid = auth_node.event';
    this.#page = db.prepare<[number, number], NodeRow>(
      `SELECT ${columns} FROM ${source} WHERE auth_node.event > ? ORDER BY auth_node.event LIMIT ?`,
    );
    this.#node = db.prepare<[number], NodeRow>(`SELECT ${columns} FROM ${source} WHERE auth_node.event = ?`);
    this.#at = db.prepare<[number, number], { event: EventNid }>(
      'SELECT event FROM auth_node WHERE chain = ? AND seq = ?',
    );
    this.#parents = db.prepare<[number, number], { parent: EventNid }>(
      'SELECT parent FROM auth_child WHERE parent = ? AND child = ?',
    );
    this.#children = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM auth_child');
  }

  *run(): Generator<string> {
    let after = 0;
    let children = 0;
    while (true) {
      const page = this.#page.all(after, pageSize);
      for (const row of page) {
        const edges = decodeEdges(row.edges);
        for (const problem of this.#problems(row, edges)) yield `Event ${row.event}: ${problem}`;
        children += this.#childEdges(row, edges).length;
      }
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.event;
    }
    const stored = this.#children.get()?.count ?? 0;
    if (stored > children) yield `auth_child has ${stored - children} rows that are no edges of the auth graph`;
  }

  *#problems(row: NodeRow, edges: readonly EventNid[]): Generator<string> {
    const nodes = edges.map((edge) => this.#node.get(edge));
    if (nodes.some((node) => node === undefined)) yield 'one of its auth events is not in the auth graph';
    const rank = Math.max(-1, ...nodes.map((node) => node?.rank ?? -1)) + 1;
    if (rank !== row.rank) yield `its rank in the auth graph is ${row.rank} instead of ${rank}`;
    const predecessor = row.seq === 0 ? undefined : this.#at.get(row.chain, row.seq - 1)?.event;
    if (predecessor !== undefined && !edges.includes(predecessor))
      yield 'it does not cite its predecessor in its chain';
    for (const parent of this.#childEdges(row, edges)) {
      if (this.#parents.get(parent, row.event) === undefined) yield `it is no child of its auth event ${parent}`;
    }
    yield* this.#wrongEdges(row, edges);
  }

  /** The edges that `auth_child` holds in the other direction. */
  #childEdges(row: NodeRow, edges: readonly EventNid[]): EventNid[] {
    const predecessor = row.seq === 0 ? undefined : this.#at.get(row.chain, row.seq - 1)?.event;
    return edges.filter((edge) => {
      return edge !== predecessor && this.#node.get(edge)?.key !== wellKnown.stateKeys.create;
    });
  }

  /** Besides what the body cites there may be the create event only, which some room versions do not cite. */
  *#wrongEdges(row: NodeRow, edges: readonly EventNid[]): Generator<string> {
    const pdu = this.#events.unsealed(row.event) as Pdu;
    const cited = new Set(refIds(pdu.auth_events ?? []).map((id) => this.#interning.findEvent(id)));
    const extra = edges.filter((edge) => !cited.delete(edge));
    const isCreate = extra.every((edge) => this.#node.get(edge)?.key === wellKnown.stateKeys.create);
    if (cited.size > 0 || extra.length > 1 || !isCreate) yield 'its edges are not the auth_events of its body';
  }
}
